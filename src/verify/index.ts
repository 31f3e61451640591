/**
 * Prove that a converted model gives PyTorch's logits, and say why where it does not.
 *
 * ```ts
 * import { formatReport, readGolden, verifyModel } from 'pth2tfjs/verify';
 *
 * const verification = await verifyModel(files, await readGolden(bytes), { backends: ['wasm'] });
 * console.log(formatReport(verification, 'markdown'));
 * ```
 *
 * @module
 */
export {
  BACKEND_NAMES,
  type BackendInfo,
  type BackendName,
  type BackendOptions,
  type Hardware,
  type ImportPackage,
  type Precision,
} from '../runtimes/backend.js';
export { type LayerVisitor, type LoadedModel, loadModel } from '../runtimes/tfjs/load.js';
export { type Comparison, compareLogits, type ImageComparison } from './compare.js';
export type { Attempt, Cause, Diagnosis } from './diagnosis.js';
export { type Activation, type Golden, type GoldenProvenance, readGolden } from './golden.js';
export type { LayerComparison, LayerReport, Statistics } from './layers.js';
export { compareQuantizations, type QuantizationTrial } from './quantizations.js';
export {
  formatReport,
  type JSONReport,
  REPORT_FORMATS,
  type ReportFormat,
  type ReportOptions,
  verdict,
} from './report/format-report.js';
export { DEFAULT_RTOL, type Tolerance, type ToleranceOptions } from './tolerance.js';
export type {
  BackendResult,
  Verification,
  VerifyOptions,
  VerifyProgress,
} from './verification.js';
export { verifyModel } from './verify-model.js';
