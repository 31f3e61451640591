import { pair } from './shapes.js';
import type { Pair, Traced } from './value.js';

/** torch.nn.functional's operations, for `forward`. */

export function relu(input: Traced): Traced {
  return input.recorder.add('relu', { type: 'relu' }, [input]);
}

/** By channel. */
export function cat(...inputs: readonly [Traced, ...Traced[]]): Traced {
  return inputs[0].recorder.add('cat', { type: 'cat' }, inputs);
}

/** Channels, height and width to features, in that order. */
export function flatten(input: Traced): Traced {
  return input.recorder.add('flatten', { type: 'flatten' }, [input]);
}

export function adaptiveAvgPool2d(input: Traced, output: number | Pair): Traced {
  const op = { type: 'adaptiveAvgPool2d', output: pair(output) } as const;
  return input.recorder.add('avgpool', op, [input]);
}

/** `x * scale[c] + offset[c]`. */
export function affine(
  input: Traced,
  name: string,
  { scale, offset }: { readonly scale: readonly number[]; readonly offset: readonly number[] },
): Traced {
  return input.recorder.add(name, { type: 'affine', scale, offset }, [input]);
}
