import type { AnyModel } from '../stored-model/stored-onnx.js';
import type { Golden } from './golden.js';
import type { BackendResult, VerifyOptions } from './verification.js';

/** A failed parity check, and what is known about it. */
export interface Failure {
  readonly model: AnyModel;
  readonly golden: Golden;
  /** The backend's result to be explained. */
  readonly failing: BackendResult;
  readonly options: VerifyOptions;
}
