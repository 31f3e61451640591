import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import type { StateDictCandidate } from '../checkpoint/state-dict/find-state-dict.js';
import type { TensorView } from '../checkpoint/tensor/tensor.js';

/**
 * What stands beside the network in its dict. Bookkeeping is ignored; a tensor that a wrapper may compute
 * with is a warning; a second head is refused, for then the wrapper computes other logits.
 */

/** Counters and queues of tools: EMA, thop's operation counts, MoCo. */
const COUNTERS =
  /(^|\.)(n_averaged|num_updates|updates|decay|initted|inited|step|steps|global_step|epoch|num_batches_tracked|total_ops|total_params|(\w+_)?queue(_ptr|_labels?)?)$/;

/** Losses and metrics, whose tensors no forward uses; their weights and counts. */
const BOOKKEEPING =
  /(^|\.)(\w*criteri(on|a)|\w*loss(es|_fn|_func|_function)?|\w*metrics?|\w*(accuracy|acc|auroc|auc|f1|precision|recall|confmat)\w*|optim(izer)?s?|(lr_)?schedulers?|(grad_)?scaler)\d*\./i;

/** Whether a key inside the network is a tool's own, such as thop's operation counts. */
export function isCounter(key: string): boolean {
  return COUNTERS.test(key);
}

/** What `Module.get_extra_state` gives, under PyTorch's name for it. Source: torch/nn/modules/module.py. */
export function isExtraState(key: string): boolean {
  return /(^|\.)_extra_state$/.test(key);
}

/** Only a class of the user's own has any, whose code is not in the file. */
export function extraStateWarning(keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const rest = keys.length > SHOWN ? `, and ${keys.length - SHOWN} more` : '';
  return [
    `the state dict holds what PyTorch calls extra state (${keys.slice(0, SHOWN).join(', ')}${rest}), which a module of another class than torchvision's has written; it was set aside, and if that module computes with it, these are not its logits`,
  ];
}

/** A tensor of a dict that is not the network's. */
export type Leftover = readonly [key: string, tensor: TensorView];

/** What stands beside the network, sorted by what it means. */
export interface Beside {
  /** Keys of what inference certainly does without. */
  readonly ignored: readonly string[];
  /** Floating tensors that a wrapper's forward may use. */
  readonly doubtful: readonly Leftover[];
  /** Matrices that take the network's logits or features. */
  readonly heads: readonly Leftover[];
}

/** Sorts what is left over; floats only are computed with. */
export function sortLeftovers(
  leftovers: Iterable<Leftover>,
  takes: { readonly numClasses: number; readonly features: number },
): Beside {
  const ignored: string[] = [];
  const doubtful: Leftover[] = [];
  const heads: Leftover[] = [];
  for (const leftover of leftovers) {
    const [key, tensor] = leftover;
    if (COUNTERS.test(key) || !/float/.test(tensor.dtype)) ignored.push(key);
    else if (takesFrom(tensor, takes)) heads.push(leftover);
    else if (BOOKKEEPING.test(key)) ignored.push(key);
    else doubtful.push(leftover);
  }
  return { ignored, doubtful, heads };
}

/** A matrix that takes as many values as the network gives. */
function takesFrom(
  { shape }: TensorView,
  { numClasses, features }: { readonly numClasses: number; readonly features: number },
): boolean {
  const matrix = shape.length >= 2 && shape.slice(2).every((size) => size === 1);
  return matrix && (shape[1] === numClasses || shape[1] === features);
}

/**
 * What the user is told of them.
 * @throws Pth2tfjsError `mapping` for a second head, unless `key` named the network.
 */
export function judgeBeside(
  beside: Beside,
  { fullName, chosen }: Pick<StateDictCandidate, 'fullName' | 'chosen'>,
): { readonly notes: readonly string[]; readonly warnings: readonly string[] } {
  const { ignored, doubtful, heads } = beside;
  if (chosen)
    return { notes: ignoredNote([...ignored, ...keys(doubtful), ...keys(heads)]), warnings: [] };
  const [head] = heads;
  if (head !== undefined) {
    throw new Pth2tfjsError(
      'mapping',
      `beside the network there is ${show(head)}, which takes its logits or features: a second head, with which the whole computes other logits`,
      { hint: `if the network alone is wanted, name it: ${option('key', fullName)}` },
    );
  }
  const warnings = doubtful.length === 0 ? [] : [doubt(doubtful)];
  return { notes: ignoredNote(ignored), warnings };
}

const SHOWN = 5;

function doubt(doubtful: readonly Leftover[]): string {
  const shown = doubtful.slice(0, SHOWN).map(show);
  const rest = doubtful.length > SHOWN ? [`and ${doubtful.length - SHOWN} more`] : [];
  return `beside the network there is ${[...shown, ...rest].join(', ')}; if the wrapper's forward uses it, these are not its logits`;
}

function show([key, { shape }]: Leftover): string {
  return `${key} [${shape.join(', ')}]`;
}

function keys(leftovers: readonly Leftover[]): string[] {
  return leftovers.map(([key]) => key);
}

/** One sentence about keys that were ignored. */
function ignoredNote(ignored: readonly string[]): string[] {
  if (ignored.length === 0) return [];
  const rest = ignored.length > SHOWN ? `, and ${ignored.length - SHOWN} more` : '';
  return [`ignored, beside the network: ${ignored.slice(0, SHOWN).join(', ')}${rest}`];
}
