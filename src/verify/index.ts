import { Pth2tfjsError } from '../errors.js';
import type { NamedBytes } from '../tfjs/artifacts.js';
import { type BackendInfo, type BackendName, prepareBackend } from '../tfjs/backends.js';
import { loadModel } from '../tfjs/load.js';
import { type Comparison, compareLogits, DEFAULT_TOLERANCE } from './compare.js';
import { type Golden, imageNHWC } from './golden.js';

export interface VerifyOptions {
  /** Default `wasm`. */
  readonly backend?: BackendName | undefined;
  /** Bound on each image's relative error; default {@link DEFAULT_TOLERANCE}. */
  readonly tolerance?: number | undefined;
  /** How the report calls the model and the golden file. */
  readonly modelName?: string | undefined;
  readonly goldenName?: string | undefined;
}

/** What was compared with what, on what, and how it came out. */
export interface Verification {
  readonly model: string;
  readonly golden: string;
  readonly backend: BackendInfo;
  readonly comparison: Comparison;
}

/**
 * Runs a written model on a backend and compares its logits with PyTorch's, image by image.
 *
 * @param files `model.json` and its shards, as read back from where they were written
 * @throws Pth2tfjsError `model` for files that are no such model, `golden` when the images or the
 *   classes do not fit the model, `backend` when the backend is absent.
 */
export async function verifyModel(
  files: readonly NamedBytes[],
  golden: Golden,
  options: VerifyOptions = {},
): Promise<Verification> {
  const backend = await prepareBackend(options.backend ?? 'wasm');
  const model = await loadModel(files);
  try {
    const [, height, width] = model.inputShape;
    if (golden.shape[2] !== height || golden.shape[3] !== width) {
      throw mismatch(
        `holds images of ${golden.shape[2]}x${golden.shape[3]}, the model takes ${height}x${width}`,
        `convert again with --image-size ${golden.shape[2]}`,
      );
    }
    if (golden.numClasses !== model.numClasses) {
      throw mismatch(
        `holds logits of ${golden.numClasses} classes, the model gives ${model.numClasses}`,
        'pass the golden file that belongs to this checkpoint',
      );
    }
    const logits = new Float32Array(golden.logits.length);
    for (let image = 0; image < golden.shape[0]; image++) {
      logits.set(await model.predict(imageNHWC(golden, image)), image * golden.numClasses);
    }
    const tolerance = options.tolerance ?? DEFAULT_TOLERANCE;
    const comparison = compareLogits(golden.logits, logits, golden.numClasses, tolerance);
    const { modelName = 'model', goldenName = 'golden' } = options;
    return { model: modelName, golden: goldenName, backend, comparison };
  } finally {
    model.dispose();
  }
}

function mismatch(message: string, hint: string): Pth2tfjsError {
  return new Pth2tfjsError('golden', `the golden file ${message}`, { hint });
}
