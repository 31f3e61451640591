import { Pth2tfjsError } from '../base/errors.js';

/** A tensor whose shape, or kind, is not the network's. */
export interface Mismatch {
  readonly key: string;
  readonly found: string;
  readonly expected: string;
}

/** What is known of a state dict that does not fit. */
interface Explanation {
  /** The state dict's name in the checkpoint; `.` at the top. */
  readonly stateDictName?: string | undefined;
  /** What stands where tensors belong, one sentence each. */
  readonly notTensors?: readonly string[];
  /** The network that it should fit. */
  readonly network?: string;
  /** What it is, where that is known: such as `Inception v3's`, or `of a network that is quantized`. */
  readonly is?: string | undefined;
  readonly hint?: string | undefined;
}

/** The three lists that `load_state_dict` reports. */
export class MappingError extends Pth2tfjsError {
  constructor(
    readonly missing: readonly string[],
    readonly unexpected: readonly string[],
    readonly mismatched: readonly Mismatch[],
    { network = 'the network', stateDictName = '.', notTensors = [], is, hint }: Explanation = {},
  ) {
    const shapes = mismatched.map(
      ({ key, found, expected }) => `${key} ${found} instead of ${expected}`,
    );
    const lists = [
      notTensors.slice(0, SHOWN).join(', '),
      list('missing', missing),
      list('unexpected', unexpected),
      list('mismatched', shapes),
    ];
    const which = stateDictName === '.' ? 'the state dict' : `the state dict '${stateDictName}'`;
    super(
      'mapping',
      `${which} ${is === undefined ? `does not fit ${network}` : `is ${is}`}: ${lists.filter(Boolean).join('; ')}`,
      hint === undefined ? {} : { hint },
    );
  }
}

const SHOWN = 5;

/** The first of many, and how many there are. */
export function list(name: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const rest = items.length > SHOWN ? `, and ${items.length - SHOWN} more` : '';
  return `${items.length} ${name} (${items.slice(0, SHOWN).join(', ')}${rest})`;
}
