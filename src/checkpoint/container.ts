/** The protocol number of legacy streams; torch has written no other. */
export const LEGACY_PROTOCOL = 1001;

/** What the outside of a checkpoint says about itself. */
export interface Container {
  readonly format: 'zip' | 'legacy';
  /** True when the container itself was gzipped. */
  readonly gzip: boolean;
  /** The container's own version: the zip's `version` record, the legacy stream's protocol number. */
  readonly version: string;
  readonly pickleProtocol: number;
  /** Byte order of the stored elements; zip archives before torch 2.1 do not record it (little). */
  readonly byteOrder: 'little' | 'big';
  /** Size of the container in bytes, after gunzip. */
  readonly byteLength: number;
}

/** A checkpoint as read: its container, and the value that was saved, tensors ready to use. */
export interface Checkpoint {
  readonly container: Container;
  /** The unpickled value: Maps, arrays, numbers, strings, TensorViews and opaque objects. */
  readonly value: unknown;
}
