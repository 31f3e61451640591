import { Pth2tfjsError } from './errors.js';
import { MAX_CHECKPOINT_BYTES } from './limits.js';

/** What bytes are read into at first, where nobody says how many there will be. */
const FIRST_BYTES = 2 ** 16;
/** From here on, room is taken for all that may come: pages that nothing is written to cost no memory. */
const GROW_TO = 2 ** 26;

/**
 * Adds up the chunks of a stream in one buffer, and refuses more than a bound while they come. Takes little
 * more memory than the bytes themselves.
 */
export class Collector {
  private bytes: Uint8Array<ArrayBuffer>;
  private used = 0;

  /**
   * @param what is read, as errors name it
   * @param maxBytes more are refused
   * @param announced how many are said to come; they may be more or fewer
   * @throws Pth2tfjsError `limit` when that is too many already
   */
  constructor(
    private readonly what: string,
    private readonly maxBytes: number,
    announced?: number,
  ) {
    if (announced !== undefined && announced > maxBytes) throw tooLarge(what, announced, maxBytes);
    this.bytes = allocate(what, announced ?? Math.min(FIRST_BYTES, maxBytes));
  }

  get length(): number {
    return this.used;
  }

  /** @throws Pth2tfjsError `limit` when that makes too many, or there is no memory for them */
  add(chunk: Uint8Array): void {
    const length = this.used + chunk.length;
    if (length > this.maxBytes) throw tooLarge(this.what, length, this.maxBytes);
    if (length > this.bytes.length) this.grow(length);
    this.bytes.set(chunk, this.used);
    this.used = length;
  }

  /** All of them. A view of a longer buffer only where copying would take as much memory again. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.used === this.bytes.length) return this.bytes;
    return this.used > GROW_TO ? this.bytes.subarray(0, this.used) : this.bytes.slice(0, this.used);
  }

  private grow(needed: number): void {
    const wanted = needed > GROW_TO ? this.maxBytes : Math.max(needed, 2 * this.bytes.length);
    const larger = allocate(this.what, Math.min(wanted, this.maxBytes), needed);
    larger.set(this.bytes.subarray(0, this.used));
    this.bytes = larger;
  }
}

/** Who is to know how a stream goes. */
export interface StreamListeners {
  readonly onChunk?: (chunk: Uint8Array) => void;
  /** Gives the error for a stream that breaks off; that of the stream itself unless given. */
  readonly onBreak?: (cause: unknown) => never;
}

/**
 * All bytes of a stream.
 * @throws Pth2tfjsError `limit` when they are more than the collector takes, `usage` for a stream of
 *   something else; then the rest of the stream is called off
 */
export async function collectStream(
  stream: ReadableStream<Uint8Array>,
  collector: Collector,
  { onChunk, onBreak = rethrow }: StreamListeners = {},
): Promise<Uint8Array<ArrayBuffer>> {
  // Safari's streams are no async iterables.
  const reader = stream.getReader();
  const next = () => reader.read().catch(onBreak);
  try {
    for (let part = await next(); !part.done; part = await next()) {
      collector.add(checkChunk(part.value));
      onChunk?.(part.value);
    }
    return collector.finish();
  } catch (error) {
    // Not awaited: a source that hangs may never answer, and how it ends is nobody's concern any more.
    reader.cancel(error).catch(() => {});
    throw error;
  }
}

function rethrow(cause: unknown): never {
  throw cause;
}

function checkChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new Pth2tfjsError('usage', `the stream brings a ${typeof chunk} where bytes are wanted`, {
    hint: 'pass a stream of Uint8Arrays, such as the body of a response',
  });
}

/** The error for input that is beyond a bound. */
export function tooLarge(what: string, size: number, maxBytes: number): Pth2tfjsError {
  const text = `${what} has at least ${size} bytes, more than the limit of ${maxBytes}`;
  const smaller =
    maxBytes < MAX_CHECKPOINT_BYTES ? '' : '; of a training checkpoint, save the state dict alone';
  return new Pth2tfjsError('limit', text, { hint: `check that this is the right file${smaller}` });
}

/** @param least what will do where there is no memory for `size` */
export function allocate(what: string, size: number, least = size): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    if (least < size) return allocate(what, least);
    throw new Pth2tfjsError('limit', `no memory for the ${size} bytes of ${what}`, {
      hint: 'free some memory, or use a machine with more',
      cause,
    });
  }
}
