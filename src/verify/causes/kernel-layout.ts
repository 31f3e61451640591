import { type EditableModel, type Weight, withWeights } from '../../stored-model/editable-model.js';
import type { Laboratory } from '../laboratory.js';
import { CLASSIFIER } from '../structure.js';
import { CONVERT_AGAIN, type Lineup, type Suspect, TORCHVISION_GOLDEN } from './suspect.js';

/**
 * A way to lay kernels out that is not TensorFlow.js's: HWIO for convolutions, `[in, out]` for
 * linear layers. Their shape says nothing about it, so that only the numbers come out wrong.
 */
export interface Layout {
  /** As in "the model has its kernels …". */
  readonly name: string;
  /** Which axes of HWIO, in which order, lie in memory. */
  readonly axes: readonly [number, number, number, number];
  /** Turned by 180 degrees, as mathematicians convolve. */
  readonly rotated?: boolean;
}

export const LAYOUTS: readonly Layout[] = [
  { name: 'in the order OIHW', axes: [3, 2, 0, 1] },
  { name: 'with height and width swapped', axes: [1, 0, 2, 3] },
  { name: 'turned by 180 degrees', axes: [0, 1, 2, 3], rotated: true },
  { name: 'in the order HWOI', axes: [0, 1, 3, 2] },
  { name: 'in the order OHWI', axes: [3, 0, 1, 2] },
];

const LAST_KERNEL = `${CLASSIFIER}/kernel`;

/** All kernels, those of the classifier, and the likeliest alone. */
export const kernelLayouts: Lineup = function* (lab) {
  const kernels = [...lab.model.weights.keys()].filter((name) => name.endsWith('/kernel'));
  const convolutions = kernels.filter((name) => name !== LAST_KERNEL);
  for (const layout of LAYOUTS) yield suspect(lab, layout, convolutions);
  for (const layout of LAYOUTS.slice(0, 1)) {
    yield suspect(lab, layout, kernels);
    yield suspect(lab, layout, [LAST_KERNEL]);
  }
  const likely = `${lab.layers?.firstJump}/kernel`;
  if (kernels.includes(likely)) {
    for (const layout of LAYOUTS) yield suspect(lab, layout, [likely]);
  }
};

/** Any kernel alone, where no layer tells the likeliest: many, and so tried late. */
export const oneKernelLayout: Lineup = function* (lab) {
  if (lab.layers !== null) return;
  const kernels = [...lab.model.weights.keys()].filter((name) => name.endsWith('/kernel'));
  for (const name of kernels) {
    if (name !== LAST_KERNEL) yield suspect(lab, LAYOUTS[0] as Layout, [name]);
  }
};

function suspect(
  { model, checkpoint }: Laboratory,
  layout: Layout,
  names: readonly string[],
): Suspect {
  const one = names.length === 1;
  const what = one ? (names[0] as string) : 'the kernels';
  // The checkpoint's weights have been tried by then, so that the model is known to have them.
  const summary =
    checkpoint === null
      ? `the model has ${what} ${layout.name}, not as TensorFlow.js reads them`
      : `PyTorch's network has ${what} ${layout.name}; the model has the checkpoint's`;
  return {
    id: 'kernel-layout',
    where: one ? names[0] : undefined,
    description: `${what} read as if stored ${layout.name}`,
    summary,
    cure: checkpoint === null ? CONVERT_AGAIN : TORCHVISION_GOLDEN,
    variation: { model: modelReadAs(model, layout, names) },
  };
}

function modelReadAs(
  model: EditableModel,
  layout: Layout,
  names: readonly string[],
): EditableModel {
  const changes = names.map((name) => {
    const weight = model.weights.get(name) as Weight;
    return [name, readAs(weight, layout)] as const;
  });
  return withWeights(model, new Map(changes));
}

/** The kernel that its numbers are in a layout. */
export function readAs(weight: Weight, layout: Layout): Float32Array {
  return move(weight, layout, true);
}

/** The kernel's numbers in the order of a layout. */
export function storedAs(weight: Weight, layout: Layout): Float32Array {
  return move(weight, layout, false);
}

function move({ shape, data }: Weight, layout: Layout, back: boolean): Float32Array {
  const sizes = [...[1, 1, 1, 1].slice(shape.length), ...shape];
  const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((a, b) => a * b, 1));
  const [s0, s1, s2, s3] = layout.axes.map((axis) => sizes[axis] as number) as Four;
  const [t0, t1, t2, t3] = layout.axes.map((axis) => strides[axis] as number) as Four;
  const channels = (sizes[2] as number) * (sizes[3] as number);
  const area = data.length / channels;
  const out = new Float32Array(data.length);
  let stored = 0;
  for (let a = 0; a < s0; a++) {
    for (let b = 0; b < s1; b++) {
      for (let c = 0; c < s2; c++) {
        for (let d = 0; d < s3; d++, stored++) {
          let at = a * t0 + b * t1 + c * t2 + d * t3;
          if (layout.rotated) {
            at = (area - 1 - Math.floor(at / channels)) * channels + (at % channels);
          }
          if (back) out[at] = data[stored] as number;
          else out[stored] = data[at] as number;
        }
      }
    }
  }
  return out;
}

type Four = [number, number, number, number];
