/**
 * What went wrong, as a tag that programs can switch on.
 *
 * | code | meaning |
 * |---|---|
 * | `usage` | the call itself makes no sense: a bad option, an occupied output folder |
 * | `io` | a file, folder or URL cannot be read or written |
 * | `hash-mismatch` | the file's SHA-256 is not the one its name promises |
 * | `empty` | the input holds no bytes |
 * | `truncated` | the input ends before it should |
 * | `corrupt` | the input contradicts itself, or fails a checksum |
 * | `unsupported-format` | the input is some other known kind of file |
 * | `unsupported` | a PyTorch feature that this reader does not cover |
 * | `unsafe-global` | the pickle asks for a global outside the allow-list |
 * | `limit` | a size, count or depth is beyond the bound that keeps memory safe |
 * | `no-state-dict` | nothing in the checkpoint looks like a state dict |
 * | `ambiguous-state-dict` | several state dicts fit; the caller must pick one |
 * | `mapping` | the state dict does not fit the network |
 * | `model` | a model folder or an ONNX file is incomplete or damaged |
 * | `golden` | a golden file does not hold what it should, or does not fit the model |
 * | `parity` | a model does not give PyTorch's logits, and was to be written only if it does |
 * | `backend` | a backend is absent or failed, or does not run models of this format |
 * | `image` | an image's pixels do not fit its size, or its file cannot be decoded |
 * | `no-gpu` | a GPU is required, and the work would run elsewhere |
 */
export type ErrorCode =
  | 'usage'
  | 'io'
  | 'hash-mismatch'
  | 'empty'
  | 'truncated'
  | 'corrupt'
  | 'unsupported-format'
  | 'unsupported'
  | 'unsafe-global'
  | 'limit'
  | 'no-state-dict'
  | 'ambiguous-state-dict'
  | 'mapping'
  | 'model'
  | 'golden'
  | 'parity'
  | 'backend'
  | 'image'
  | 'no-gpu';

/** Where an error lies and what to do about it; every field is optional. */
export interface ErrorDetails {
  /** Byte offset in the input (or in the named part of it) at which the fault was seen. */
  readonly offset?: number;
  /** What the user can do next, as one imperative sentence without a full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error type that this package throws on purpose; tell them apart by `code`. */
export class Pth2tfjsError extends Error {
  override readonly name: string = 'Pth2tfjsError';
  readonly code: ErrorCode;
  readonly offset: number | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.offset = details.offset;
    this.hint = details.hint;
  }
}

/** True for the errors of this package, also when two copies of it are loaded. */
export function isPth2tfjsError(error: unknown): error is Pth2tfjsError {
  return error instanceof Error && error.name === 'Pth2tfjsError' && 'code' in error;
}
