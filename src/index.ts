/**
 * Convert torchvision GoogLeNet checkpoints to TensorFlow.js and prove that the logits agree.
 *
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { convertCheckpoint, readGolden, verifyModel } from 'pth2tfjs';
 *
 * const { files, provenance } = await convertCheckpoint(await readFile('googlenet.pth'));
 * const golden = await readGolden(await readFile('golden.pth'));
 * const { comparison } = await verifyModel(files, golden);
 * console.log(provenance.numClasses, comparison.passed, comparison.requiredTolerance);
 * ```
 *
 * @module
 */
export type { DType } from './checkpoint/dtype.js';
export { toFloat32 } from './checkpoint/float32.js';
export {
  type Checkpoint,
  type Container,
  type ReadOptions,
  readCheckpoint,
} from './checkpoint/index.js';
export {
  findStateDicts,
  listTensors,
  type SelectOptions,
  type StateDictCandidate,
  selectStateDict,
} from './checkpoint/state-dict.js';
export { contiguousBytes, type StateDict, TensorView } from './checkpoint/tensor.js';
export { type Conversion, type ConvertOptions, convertCheckpoint } from './convert.js';
export { type ErrorCode, type ErrorDetails, isPth2tfjsError, Pth2tfjsError } from './errors.js';
export type { Branch3Kernel } from './googlenet/architecture.js';
export {
  MappingError,
  type Match,
  type Mismatch,
  matchStateDict,
  NETWORK_KEYS,
} from './googlenet/mapping.js';
export { IMAGENET_MEAN, IMAGENET_STD } from './googlenet/preprocess.js';
export {
  type Inspection,
  inspectCheckpoint,
  type NetworkSummary,
  type TensorSummary,
} from './inspect.js';
export type { Provenance } from './provenance.js';
export type { NamedBytes } from './tfjs/artifacts.js';
export { BACKEND_NAMES, type BackendInfo, type BackendName } from './tfjs/backends.js';
export { type LoadedModel, loadModel } from './tfjs/load.js';
export {
  type Comparison,
  compareLogits,
  DEFAULT_TOLERANCE,
  type ImageComparison,
} from './verify/compare.js';
export { type Golden, readGolden } from './verify/golden.js';
export { type Verification, type VerifyOptions, verifyModel } from './verify/index.js';
export { formatReport } from './verify/report.js';
