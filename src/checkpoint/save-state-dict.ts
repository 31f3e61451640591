import { isPth2tfjsError, Pth2tfjsError } from '../base/errors.js';
import { type Crc32, crc32 } from './container/crc32.js';
import { writeArchive } from './container/write-archive.js';
import { writeLegacyStream } from './container/write-legacy.js';
import { Call, type PickleDict, type PickleValue, Text } from './pickle/pickle-value.js';
import { ORDERED_DICT, type Reducer } from './pickle/reduce.js';
import { checkText } from './pickle/text.js';
import type { StateDictMetadata } from './state-dict/metadata.js';
import type { StateDict } from './tensor/tensor.js';

export interface SaveOptions {
  /**
   * `zip` (the default) is for torch 1.6 and newer, `legacy` for all. Younger types, such as uint16,
   * take a zip archive and the torch that has them.
   */
  readonly format?: 'zip' | 'legacy' | undefined;
  /** What `_metadata` says; without it the dict has none. */
  readonly metadata?: StateDictMetadata | undefined;
  /** A faster CRC-32, such as Node's `zlib.crc32`. */
  readonly crc32?: Crc32 | undefined;
}

/**
 * Writes a state dict as `torch.save(model.state_dict(), file)` does, byte for byte: as torch 2.13 on
 * Linux writes a zip archive, or as any torch writes a legacy stream (whose storages are numbered
 * here, where PyTorch has addresses). Order, types, strides and shared storages stay as they are, and
 * the same state dict gives the same bytes.
 *
 * @throws Pth2tfjsError `usage` for a key that no text in UTF-8 can be, `corrupt` for a tensor that
 *   reaches outside of its storage, `unsupported` for one that PyTorch could not read back, `limit`
 *   for an archive of 4 GiB.
 */
export function saveStateDict(
  stateDict: StateDict,
  options: SaveOptions = {},
): Uint8Array<ArrayBuffer> {
  const build = (reducer: Reducer) => orderedDict(stateDict, options.metadata, reducer);
  if (options.format === 'legacy') return writeLegacyStream(build);
  return writeArchive(build, options.crc32 ?? crc32);
}

/** The OrderedDict, as the pickle makes it. */
export function orderedDict(
  stateDict: StateDict,
  metadata: StateDictMetadata | undefined,
  reducer: Reducer,
): PickleValue {
  const entries = new Map<string, PickleValue>();
  for (const [key, view] of stateDict) {
    entries.set(
      checkText(key),
      attempt(key, () => reducer.tensor(view)),
    );
  }
  if (metadata === undefined) return new Call(ORDERED_DICT, [], entries);
  const state = new Map([['_metadata', new Call(ORDERED_DICT, [], modules(metadata))]]);
  return new Call(ORDERED_DICT, [], entries, state);
}

const VERSION = new Text('version');

function modules(metadata: StateDictMetadata): PickleDict {
  const entries = [...metadata].map(
    ([path, version]) => [checkText(path), new Map([[VERSION, version]])] as const,
  );
  return new Map(entries);
}

/** Says which tensor an error is about. */
function attempt<T>(key: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (!isPth2tfjsError(cause)) throw cause;
    const { code, message, hint } = cause;
    throw new Pth2tfjsError(code, `cannot save '${key}': ${message}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
