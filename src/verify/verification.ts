import type { CheckpointSource } from '../checkpoint/checkpoint-file.js';
import type { BackendInfo, BackendName, BackendOptions } from '../runtimes/backend.js';
import type { Provenance } from '../stored-model/provenance.js';
import type { Quantization } from '../stored-model/quantization.js';
import type { Basis } from './bound.js';
import type { Comparison } from './compare.js';
import type { Diagnosis } from './diagnosis.js';
import type { GoldenProvenance } from './golden.js';
import type { LayerReport } from './layers.js';
import type { ToleranceOptions } from './tolerance.js';

/** What is asked of a verification, and what it tells. */

export interface VerifyOptions extends BackendOptions {
  /** Run one after the other; default `['wasm']`, for an ONNX model `['onnx']`. */
  readonly backends?: readonly BackendName[] | undefined;
  readonly tolerance?: ToleranceOptions | undefined;
  /** Fail where the work would run on a processor or a software adapter. */
  readonly requireGpu?: boolean | undefined;
  /**
   * The checkpoint that the model was made of, as `torch.save` wrote it: lets more causes be tried, and
   * what the model has stored be compared with what converting it gives.
   */
  readonly checkpoint?: CheckpointSource | undefined;
  /** Compare what the model has stored with the checkpoint, where parity holds; default true. */
  readonly compareStored?: boolean | undefined;
  /** Look for the cause when parity fails; default true. */
  readonly diagnose?: boolean | undefined;
  /** Accept a golden file that was made from another checkpoint. */
  readonly allowOtherCheckpoint?: boolean | undefined;
  /** How the report calls the model, the golden file and the place where it ran. */
  readonly modelName?: string | undefined;
  readonly goldenName?: string | undefined;
  readonly runtime?: string | undefined;
  /** Told before each piece of work. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

export interface VerifyProgress {
  readonly backend: BackendName;
  /** What is being done: `image 2 of 4`, `layer maxpool1`. */
  readonly step: string;
  /** Share of this backend's work that is done, 0 to 1. */
  readonly done: number;
  /** Whether all is measured, and the cause of a failure is being looked for. */
  readonly diagnosing?: boolean;
}

/** What was compared with what, on what, and how it came out. */
export interface Verification {
  readonly model: string;
  readonly golden: string;
  /** `pth2tfjs 0.2.0`. */
  readonly tool: string;
  /** Where it ran: `Node 20.20.2, linux x64`; empty when the caller does not say. */
  readonly runtime: string;
  readonly provenance: {
    readonly model: Provenance | null;
    readonly golden: GoldenProvenance | null;
  };
  /** What PyTorch gave: `[images, numClasses]`, row-major. */
  readonly expected: { readonly numClasses: number; readonly logits: Float32Array };
  /** One for each backend, in the order asked for. */
  readonly results: readonly BackendResult[];
  /** Why the first failing backend fails; null when all pass, or when not asked for. */
  readonly diagnosis: Diagnosis | null;
  readonly passed: boolean;
}

export interface BackendResult {
  readonly backend: BackendInfo;
  readonly comparison: Comparison;
  /** Where the bound on the relative error comes from. */
  readonly basis: Basis;
  /** Layer by layer; null where the golden file holds no activations. */
  readonly layers: LayerReport | null;
  /** How the model's kernels are stored, where that is in less than float32. */
  readonly stored?: Quantization;
  /** `[images, numClasses]`, row-major. */
  readonly logits: Float32Array;
  /** Wall time of one image in the median, in milliseconds; the first pays for the warm-up. */
  readonly millisecondsPerImage: number;
}
