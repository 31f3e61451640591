import { expect } from 'vitest';
import type { Trained, TrainedStep } from './train-alike.js';
import {
  floats,
  type Measure,
  norm,
  type Step,
  type Training,
  type Truth,
  type Values,
} from './training-record.js';

/** How close to PyTorch's a training must come. */

/**
 * Bounds on ‖Δ‖/‖truth‖ of each tensor, and on |Δ| of a loss by its `logitsSize`, where no value is near a kink.
 * The worst of 311 networks, ours on wasm and PyTorch's own in float32: evaluation 6.6e-6 and 8.9e-6, outputs in
 * training 2.9e-5 and 1.4e-5, losses 8.2e-6, gradients 1.1e-4 and 7.1e-5, changes 7.1e-5 and 4.0e-5. Taking the
 * other side of a kink costs 1e-3 and more. No loss can be off by more than √2 of what its outputs are.
 */
const BOUNDS = {
  evaluation: 2e-5,
  outputs: 1e-4,
  losses: 5e-5,
  gradients: 2e-4,
  changes: 2e-4,
} as const;

type Check = (ours: Trained, theirs: Training) => void;
type StepCheck = (ours: TrainedStep, step: Step, theirs: Training) => void;

/** Of as many steps as we took. */
function eachStep(check: StepCheck): Check {
  return (ours, theirs) => {
    for (const [i, step] of ours.steps.entries()) check(step, theirs.steps[i] as Step, theirs);
  };
}

/** What must be as PyTorch has it. */
export const PARITY: Readonly<Record<string, Check>> = {
  'outputs in evaluation': (ours, theirs) =>
    expectClose(ours.outputs, theirs.outputs, BOUNDS.evaluation),
  'outputs in training': eachStep((ours, step) =>
    expectClose(ours.outputs, step.outputs, BOUNDS.outputs),
  ),
  losses: eachStep((ours, step) =>
    expectClose(ours.losses, step.losses, BOUNDS.losses, { size: logitsSize(step) }),
  ),
  'gradient of every parameter': eachStep((ours, step) =>
    expectClose(ours.gradients, step.gradients, BOUNDS.gradients),
  ),
  'change of every parameter and running statistic': eachStep((ours, step, theirs) =>
    expectClose(ours.changes, step.changes, BOUNDS.changes, { allowed: rounding(theirs) }),
  ),
};

export function expectParity(ours: Trained, theirs: Training): void {
  for (const check of Object.values(PARITY)) check(ours, theirs);
}

/** What float32 may add to the error of a change: a unit in the last place of what has changed. */
function rounding({ initial }: Training): Measure {
  return (name) => 2 ** -23 * norm(floats(initial.get(name)));
}

/** What torchvision's training script weighs the auxiliary losses with. */
const AUX_WEIGHT = 0.3;

/**
 * What the error of a loss is measured by: the norm of an image's logits. A loss is a difference of them, and may
 * itself be near zero.
 */
function logitsSize({ outputs, labels }: Step): Measure {
  const size = (head: string) => outputs.norm(head) / Math.sqrt(labels.length);
  const total = (sum: number, head: string) => sum + size(head) * (head === 'fc' ? 1 : AUX_WEIGHT);
  return (name) => (name === 'total' ? outputs.names.reduce(total, 0) : size(name));
}

/**
 * Expects the very tensors of the truth, each within a bound on ‖Δ‖/size.
 * @param allowed what ‖Δ‖ may be besides
 * @param size default: ‖truth‖
 */
function expectClose(
  values: Values,
  truth: Truth,
  bound: number,
  { allowed = () => 0, size = truth.norm }: Partial<Record<'allowed' | 'size', Measure>> = {},
): void {
  expect([...values.keys()].sort()).toEqual([...truth.names].sort());
  const errors = truth.names.map((name) => {
    const far = truth.distance(name, values.get(name) as Float32Array) - allowed(name);
    return { name, error: far / size(name) };
  });
  const wrong = errors.filter(({ error }) => !(error <= bound)).sort((a, b) => b.error - a.error);
  const worst = wrong.slice(0, 5).map(({ name, error }) => `${name} ${error.toExponential(2)}`);
  const context = `${wrong.length} of ${errors.length} beyond ${bound}: ${worst.join(', ')}`;
  expect(wrong, `${context}; PyTorch in float32: ${truth.floor}`).toEqual([]);
}
