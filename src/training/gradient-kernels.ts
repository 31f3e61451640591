import { getBackend, getKernel } from '@tensorflow/tfjs-core';
import { Pth2tfjsError } from '../base/errors.js';

/** What a step of training runs that inference does not: dropout, losses, and all of the way back. */
export const GRADIENT_KERNELS = [
  'AddN',
  'BatchMatMul',
  'Cast',
  'Conv2DBackpropFilter',
  'Conv2DBackpropInput',
  'Equal',
  'Exp',
  'Floor',
  'GreaterEqual',
  'Less',
  'Log',
  'LogicalAnd',
  'LogicalNot',
  'Max',
  'MaxPoolGrad',
  'Maximum',
  'Multiply',
  'Neg',
  'Range',
  'RealDiv',
  'Reciprocal',
  'Rsqrt',
  'Select',
  'SplitV',
  'Square',
  'Step',
  'Sub',
  'Sum',
  'Tile',
  'Transpose',
  'ZerosLike',
] as const;

/** Backends of TensorFlow.js that have them all, if need be with ours; by speed. */
const COMPLETE = 'tensorflow, webgpu, webgl, wasm and cpu';

/**
 * Makes sure that the current backend can train.
 * @throws Pth2tfjsError `backend` for one that lacks a kernel, naming those that have it
 */
export function checkGradientKernels(): void {
  const backend = getBackend();
  const lacking = GRADIENT_KERNELS.filter((name) => getKernel(name, backend) === undefined);
  if (lacking.length === 0) return;
  throw new Pth2tfjsError(
    'backend',
    `the backend ${backend} cannot train: it has no kernel ${lacking.join(', ')}`,
    { hint: `call tf.setBackend with one that has: ${COMPLETE}` },
  );
}
