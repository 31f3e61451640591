/**
 * Read and write what `torch.save` and safetensors write, whatever network it is of.
 *
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { listTensors, readCheckpoint, toFloat32 } from 'pth2tfjs/checkpoint';
 *
 * const { value } = await readCheckpoint(await readFile('model.pth'));
 * for (const [key, tensor] of listTensors(value)) {
 *   console.log(key, tensor.dtype, tensor.shape, toFloat32(tensor)[0]);
 * }
 * ```
 *
 * @module
 */
export { CheckpointFile, type CheckpointSource } from './checkpoint-file.js';
export { saveSafetensors } from './container/write-safetensors.js';
export type { NamedGlobal } from './pickle/danger.js';
export { listOpaque, type OpaqueClass } from './pickle/opaque-values.js';
export {
  type Checkpoint,
  type Container,
  type ReadOptions,
  readCheckpoint,
} from './read-checkpoint.js';
export { type SaveOptions, saveStateDict } from './save-state-dict.js';
export {
  findStateDicts,
  listTensors,
  type SelectOptions,
  type StateDictCandidate,
  selectStateDict,
} from './state-dict/find-state-dict.js';
export { type StateDictMetadata, stateDictMetadata } from './state-dict/metadata.js';
export { denseTensor } from './tensor/dense-tensor.js';
export type { DType } from './tensor/dtype.js';
export { toFloat32 } from './tensor/float32.js';
export { contiguousBytes, type StateDict, TensorView } from './tensor/tensor.js';
