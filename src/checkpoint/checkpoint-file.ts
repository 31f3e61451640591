import { sha256 } from '../base/sha256.js';
import {
  type Checkpoint,
  type ReadOptions,
  readUngzipped,
  type UngzippedFile,
  ungzip,
} from './read-checkpoint.js';

/**
 * A checkpoint's file, for whoever needs it more than once: it is unpacked, hashed and parsed when that is
 * first asked for, and never again. Tensors keep views of its bytes, which must not change later.
 */
export class CheckpointFile {
  private unpacking: Promise<UngzippedFile> | undefined;
  private hashing: Promise<string | undefined> | undefined;
  private reading: Promise<Checkpoint> | undefined;

  /** @param bytes what `torch.save` or safetensors wrote, gzipped or not */
  constructor(
    private bytes: Uint8Array,
    private readonly options: ReadOptions = {},
  ) {}

  /**
   * Without the gzip layer, if there was one.
   * @throws Pth2tfjsError as `ungzip` does
   */
  ungzip(): Promise<UngzippedFile> {
    this.unpacking ??= this.unpack();
    return this.unpacking;
  }

  /** Of the file after gunzip; undefined where the platform has no Web Crypto. */
  sha256(): Promise<string | undefined> {
    const hash = this.options.sha256 ?? sha256;
    this.hashing ??= this.ungzip().then(({ file }) => hash(file));
    return this.hashing;
  }

  /**
   * What was saved.
   * @throws Pth2tfjsError as `readCheckpoint` does
   */
  read(): Promise<Checkpoint> {
    this.reading ??= this.ungzip().then((file) => readUngzipped(file, this.options));
    return this.reading;
  }

  private async unpack(): Promise<UngzippedFile> {
    const unpacked = await ungzip(this.bytes);
    // What was packed is of no use any more.
    this.bytes = unpacked.file;
    return unpacked;
  }
}

/** A checkpoint by its bytes, or opened already. */
export type CheckpointSource = Uint8Array | CheckpointFile;

/** @param options count for bytes alone: an opened file has its own */
export function openCheckpoint(
  checkpoint: CheckpointSource,
  options: ReadOptions = {},
): CheckpointFile {
  return checkpoint instanceof CheckpointFile
    ? checkpoint
    : new CheckpointFile(checkpoint, options);
}
