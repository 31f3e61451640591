/**
 * Convert torchvision GoogLeNet checkpoints to TensorFlow.js and prove that the logits agree.
 *
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { convertCheckpoint, readGolden, verifyModel } from 'pth2tfjs';
 *
 * const { files, provenance } = await convertCheckpoint(await readFile('googlenet.pth'));
 * const golden = await readGolden(await readFile('golden.pth'));
 * const { passed, results } = await verifyModel(files, golden);
 * console.log(provenance.numClasses, passed, results[0].comparison.required.rtol);
 * ```
 *
 * @module
 */
export {
  type ClassifyOptions,
  GoogLeNet,
  type LoadOptions,
  loadGoogLeNet,
  type Prediction,
  type Values,
} from './app/googlenet.js';
export type { DrawableImage, ImageBatch, ImageInput } from './app/input.js';
export type { LoadProgress } from './app/read.js';
export type { GoogLeNetSource } from './app/source.js';
export {
  type ErrorCode,
  type ErrorDetails,
  isPth2tfjsError,
  Pth2tfjsError,
} from './base/errors.js';
export { saveSafetensors } from './checkpoint/container/write-safetensors.js';
export type { NamedGlobal } from './checkpoint/pickle/danger.js';
export { listOpaque, type OpaqueClass } from './checkpoint/pickle/opaque-values.js';
export {
  type Checkpoint,
  type Container,
  type ReadOptions,
  readCheckpoint,
} from './checkpoint/read-checkpoint.js';
export { type SaveOptions, saveStateDict } from './checkpoint/save-state-dict.js';
export {
  findStateDicts,
  listTensors,
  type SelectOptions,
  type StateDictCandidate,
  selectStateDict,
} from './checkpoint/state-dict/find-state-dict.js';
export { type StateDictMetadata, stateDictMetadata } from './checkpoint/state-dict/metadata.js';
export { denseTensor } from './checkpoint/tensor/dense-tensor.js';
export type { DType } from './checkpoint/tensor/dtype.js';
export { toFloat32 } from './checkpoint/tensor/float32.js';
export { contiguousBytes, type StateDict, TensorView } from './checkpoint/tensor/tensor.js';
export { type Conversion, type ConvertOptions, convertCheckpoint } from './convert.js';
export {
  convertToSafetensors,
  type SafetensorsConversion,
  type SafetensorsOptions,
} from './convert-safetensors.js';
export { type Export, type ExportOptions, exportCheckpoint } from './export.js';
export { IMAGENET_MEAN, IMAGENET_STD } from './image/imagenet.js';
export { parseLabels } from './image/labels.js';
export {
  type PreprocessOptions,
  preprocess,
  type RawImage,
  resizeAndCrop,
} from './image/preprocess.js';
export {
  type Inspection,
  inspectCheckpoint,
  type NetworkSummary,
  type TensorSummary,
} from './inspect.js';
export type { Origin } from './network/fit.js';
export { MappingError, type Mismatch } from './network/mapping-error.js';
export type { Branch3Kernel } from './networks/index.js';
export { type Match, matchStateDict, NETWORK_KEYS } from './networks/match.js';
export { readNetwork, type SourceNetwork, type SourceOptions } from './read-network.js';
export {
  BACKEND_NAMES,
  type BackendInfo,
  type BackendName,
  type BackendOptions,
  type Hardware,
  type ImportPackage,
  type Precision,
} from './runtimes/tfjs/backend.js';
export { type LayerVisitor, type LoadedModel, loadModel } from './runtimes/tfjs/load.js';
export type { NamedBytes } from './stored-model/artifacts.js';
export type {
  ConvertedProvenance,
  Provenance,
  SourceFile,
  TrainingRecord,
} from './stored-model/provenance.js';
export { QUANTIZATIONS, type Quantization } from './stored-model/quantization.js';
export { type SummaryOptions, summary } from './summary.js';
export { INPUTS, type InputKind, MODEL_FORMATS, type ModelFormat } from './targets/formats.js';
export { type Comparison, compareLogits, type ImageComparison } from './verify/compare.js';
export type { Attempt, Cause, Diagnosis } from './verify/diagnosis.js';
export {
  type Activation,
  type Golden,
  type GoldenProvenance,
  readGolden,
} from './verify/golden.js';
export { verifyModel } from './verify/index.js';
export type { LayerComparison, LayerReport, Statistics } from './verify/layers.js';
export { compareQuantizations, type QuantizationTrial } from './verify/quantizations.js';
export {
  formatReport,
  type JSONReport,
  REPORT_FORMATS,
  type ReportFormat,
  type ReportOptions,
  verdict,
} from './verify/report/index.js';
export { DEFAULT_RTOL, type Tolerance, type ToleranceOptions } from './verify/tolerance.js';
export type {
  BackendResult,
  Verification,
  VerifyOptions,
  VerifyProgress,
} from './verify/verification.js';
