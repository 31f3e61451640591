/** Kernels whose numbers are right, and lie in another order than TensorFlow.js takes them to. */
import type { Weight } from './files.js';
import { inWeight, inWeights, type Weights } from './planting.js';
import { type Fault, type FaultRow, faultsOf } from './types.js';

/** Where in a kernel `[height, width, inputs, outputs]` a number stands. */
type Place = (y: number, x: number, i: number, o: number, shape: Shape) => number;
type Shape = readonly [height: number, width: number, inputs: number, outputs: number];

/** Fills a kernel from its right values, each taken from another place. */
function rearrange({ shape, data }: Weight, from: Place): void {
  const [height, width, inputs, outputs] = shape as Shape;
  const right = data.slice();
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let i = 0; i < inputs; i++) {
        for (let o = 0; o < outputs; o++) {
          data[at++] = right[from(y, x, i, o, shape as Shape)] as number;
        }
      }
    }
  }
}

const standard: Place = (y, x, i, o, [, width, inputs, outputs]) =>
  ((y * width + x) * inputs + i) * outputs + o;
const transposed: Place = (y, x, i, o, shape) => standard(x, y, i, o, shape);
const rotated: Place = (y, x, i, o, shape) =>
  standard(shape[0] - 1 - y, shape[1] - 1 - x, i, o, shape);

/** Leaves a kernel's numbers in PyTorch's order: outputs, inputs, height, width. */
function leaveUnpermuted({ shape, data }: Weight): void {
  const [height, width, inputs, outputs] = shape as Shape;
  const right = data.slice();
  let at = 0;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          data[at++] = right[standard(y, x, i, o, shape as Shape)] as number;
        }
      }
    }
  }
}

function leaveUntransposed({ shape, data }: Weight): void {
  const [features, classes] = shape as readonly [number, number];
  const right = data.slice();
  for (let c = 0; c < classes; c++) {
    for (let f = 0; f < features; f++) data[c * features + f] = right[f * classes + c] as number;
  }
}

const kernels = (weights: Weights) =>
  [...weights.values()].filter(({ shape }) => shape.length === 4);

const inAllKernels = (edit: (kernel: Weight) => void) =>
  inWeights((weights) => kernels(weights).forEach(edit));

const LAYOUT = { id: 'kernel-layout' };

const ROWS: readonly FaultRow[] = [
  ['all kernels in OIHW', LAYOUT, inAllKernels(leaveUnpermuted), 'conv1'],
  ['all kernels transposed', LAYOUT, inAllKernels((k) => rearrange(k, transposed)), 'conv1'],
  ['all kernels rotated', LAYOUT, inAllKernels((k) => rearrange(k, rotated)), 'conv1'],
  inWeight(LAYOUT.id, 'in OIHW', 'inception4b.branch2.1/kernel', leaveUnpermuted),
  inWeight(LAYOUT.id, 'in OIHW', 'inception3a.branch1/kernel', leaveUnpermuted),
  inWeight(LAYOUT.id, 'transposed', 'inception5a.branch3.1/kernel', (k) =>
    rearrange(k, transposed),
  ),
  inWeight(LAYOUT.id, 'rotated', 'conv3/kernel', (k) => rearrange(k, rotated)),
  inWeight(LAYOUT.id, 'not transposed', 'fc/kernel', leaveUntransposed),
];

export const KERNEL_FAULTS: readonly Fault[] = faultsOf('artifacts', ROWS);
