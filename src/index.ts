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
export type { NamedGlobal } from './checkpoint/danger.js';
export { denseTensor } from './checkpoint/dense-tensor.js';
export type { DType } from './checkpoint/dtype.js';
export { toFloat32 } from './checkpoint/float32.js';
export {
  type Checkpoint,
  type Container,
  type ReadOptions,
  readCheckpoint,
} from './checkpoint/index.js';
export { type StateDictMetadata, stateDictMetadata } from './checkpoint/metadata.js';
export { listOpaque, type OpaqueClass } from './checkpoint/opaque-values.js';
export { type SaveOptions, saveStateDict } from './checkpoint/save/index.js';
export { saveSafetensors } from './checkpoint/save/safetensors.js';
export {
  findStateDicts,
  listTensors,
  type SelectOptions,
  type StateDictCandidate,
  selectStateDict,
} from './checkpoint/state-dict.js';
export { contiguousBytes, type StateDict, TensorView } from './checkpoint/tensor.js';
export { type Conversion, type ConvertOptions, convertCheckpoint } from './convert.js';
export {
  convertToSafetensors,
  type SafetensorsConversion,
  type SafetensorsOptions,
} from './convert-safetensors.js';
export { type ErrorCode, type ErrorDetails, isPth2tfjsError, Pth2tfjsError } from './errors.js';
export { type Export, type ExportOptions, exportCheckpoint } from './export.js';
export { INPUTS, type InputKind, MODEL_FORMATS, type ModelFormat } from './formats.js';
export { IMAGENET_MEAN, IMAGENET_STD } from './image/imagenet.js';
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
export { parseLabels } from './labels.js';
export type { Origin } from './network/fit.js';
export { MappingError, type Mismatch } from './network/mapping-error.js';
export type { Branch3Kernel } from './networks/index.js';
export { type Match, matchStateDict, NETWORK_KEYS } from './networks/match.js';
export type { ConvertedProvenance, Provenance, SourceFile, TrainingRecord } from './provenance.js';
export { readNetwork, type SourceNetwork, type SourceOptions } from './read-network.js';
export { type SummaryOptions, summary } from './summary.js';
export type { NamedBytes } from './tfjs/artifacts.js';
export {
  BACKEND_NAMES,
  type BackendInfo,
  type BackendName,
  type BackendOptions,
  type Hardware,
  type ImportPackage,
  type Precision,
} from './tfjs/backends.js';
export { type LayerVisitor, type LoadedModel, loadModel } from './tfjs/load.js';
export { QUANTIZATIONS, type Quantization } from './tfjs/quantize.js';
export { type Comparison, compareLogits, type ImageComparison } from './verify/compare.js';
export type { Attempt, Cause, Diagnosis } from './verify/diagnosis.js';
export {
  type Activation,
  type Golden,
  type GoldenProvenance,
  readGolden,
} from './verify/golden.js';
export {
  type BackendResult,
  type Verification,
  type VerifyOptions,
  type VerifyProgress,
  verifyModel,
} from './verify/index.js';
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
