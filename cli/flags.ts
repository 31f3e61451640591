import { type OptionName, replaceOptions } from '../src/base/option.js';

/** How the command line calls the options that messages of the library name. */
export const FLAGS: Readonly<Record<OptionName, string>> = {
  allowOtherCheckpoint: 'allow-other-checkpoint',
  atol: 'atol',
  backends: 'backend',
  checkpoint: 'checkpoint',
  format: 'format',
  identityBatchNorm: 'identity-bn',
  imageSize: 'image-size',
  input: 'input',
  key: 'key',
  labels: 'labels',
  quantization: 'quantize',
  requireGpu: 'require-gpu',
  rtol: 'rtol',
  tf32: 'tf32',
  top1: 'top1',
  trainable: 'trainable',
  transformInput: 'transform-input',
};

const flagOf = new Map<string, string>(Object.entries(FLAGS));

/** A message as a person reads it who types flags: `imageSize: 64` is --image-size 64. */
export function asFlags(message: string): string {
  return replaceOptions(message, (name, value) => {
    const flag = flagOf.get(name);
    if (flag === undefined) return undefined;
    if (value === 'false') return `--no-${flag}`;
    return value === undefined || value === 'true' ? `--${flag}` : `--${flag} ${value}`;
  });
}

/** The same for every text in a value; arrays of numbers, maps and the like stay as they are. */
export function withFlags<T>(value: T): T {
  return convert(value) as T;
}

function convert(value: unknown): unknown {
  if (typeof value === 'string') return asFlags(value);
  if (Array.isArray(value)) return value.map(convert);
  if (value === null || typeof value !== 'object') return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, convert(each)]));
}
