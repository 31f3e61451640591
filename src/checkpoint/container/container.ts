import type { NamedGlobal } from '../pickle/danger.js';

/** The protocol number of legacy streams; torch has written no other. */
export const LEGACY_PROTOCOL = 1001;

/** What the outside of a checkpoint says about itself. */
export interface Container {
  readonly format: 'zip' | 'legacy' | 'safetensors';
  /** True when the container itself was gzipped. */
  readonly gzip: boolean;
  /**
   * The container's own version: the zip's `version` record, the legacy stream's protocol number; null
   * for safetensors, which has none.
   */
  readonly version: string | null;
  /** null for safetensors, which holds no pickle. */
  readonly pickleProtocol: number | null;
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
  /** Text that a safetensors file keeps beside its tensors; empty for the other containers. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The globals without meaning here that its pickle names, as often as it does; `listOpaque` finds their objects. */
  readonly opaque: readonly NamedGlobal[];
  /** Things that the user should know, one sentence each. */
  readonly warnings: readonly string[];
}
