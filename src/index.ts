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
export { type Conversion, convertCheckpoint } from './convert.js';
export type { ConvertOptions } from './convert-options.js';
export {
  convertToSafetensors,
  type SafetensorsConversion,
  type SafetensorsOptions,
} from './convert-safetensors.js';
export { type Export, type ExportOptions, exportCheckpoint } from './export.js';
export { parseLabels } from './image/labels.js';
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
export { type Golden, readGolden } from './verify/golden.js';
export {
  formatReport,
  type ReportFormat,
  type ReportOptions,
} from './verify/report/format-report.js';
export type { Verification, VerifyOptions } from './verify/verification.js';
export { verifyModel } from './verify/verify-model.js';
