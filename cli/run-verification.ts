import type { AnyModel } from '../src/stored-model/stored-onnx.js';
import type { Golden } from '../src/verify/golden.js';
import type { Verification, VerifyOptions, VerifyProgress } from '../src/verify/verification.js';
import { importPackage, packageVersion } from './import-package.js';
import { nvidiaGPUs } from './nvidia.js';
import { type StatusLine, statusLine } from './progress.js';

/** What backends ask of the machine that they run on. */
export const HOST = { importPackage, packageVersion, nvidiaGPUs } as const;

/**
 * Runs a model as Node can, and shows what it is at.
 * @throws Pth2tfjsError as `verifyModel` does
 */
export async function runVerification(
  models: readonly [AnyModel, ...AnyModel[]],
  golden: Golden,
  options: VerifyOptions,
  status: StatusLine,
): Promise<Verification> {
  // Keeps TensorFlow.js from advertising its other packages on stderr.
  const { enableProdMode } = await import('@tensorflow/tfjs-core');
  enableProdMode();
  const { verifyStored } = await import('../src/verify/verify-model.js');
  return verifyStored(models, golden, {
    runtime: `Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    ...HOST,
    ...options,
    onProgress: (progress) => showProgress(status, progress),
  });
}

/** Does `work` with a line on stderr for what it is at, and takes that away at the end. */
export async function withStatus<T>(
  quiet: boolean,
  work: (status: StatusLine) => Promise<T>,
): Promise<T> {
  const status = statusLine(process.stderr, quiet);
  try {
    return await work(status);
  } finally {
    status.clear();
  }
}

export function showProgress(status: StatusLine, progress: VerifyProgress): void {
  const { backend, step, done, diagnosing = false } = progress;
  const text = diagnosing
    ? step.replace(/^looking for the cause/, '$& (--no-diagnose leaves it out)')
    : `${backend}: ${step} (${Math.floor(done * 100)} %)`;
  status.show(text, diagnosing);
}
