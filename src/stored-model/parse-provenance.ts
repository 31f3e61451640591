import { Pth2tfjsError } from '../base/errors.js';
import type { Container } from '../checkpoint/read-checkpoint.js';
import { FLOAT_DTYPES } from '../checkpoint/tensor/float-dtypes.js';
import type { Variant } from '../networks/index.js';
import { VARIANTS } from '../networks/variants.js';
import { INPUTS, MODEL_FORMATS } from '../targets/formats.js';
import { isObject } from './model-json.js';
import type { Provenance, SourceFile, TrainingRecord } from './provenance.js';
import { QUANTIZATIONS } from './quantization.js';

/** Throws unless a value is what it should be; `at` is where it stands, such as `source.sha256`. */
type Check = (value: unknown, at: string) => void;

/** Where a model keeps what it says of its source, and the file that holds that. */
const PLACES = { userDefinedMetadata: 'model.json', metadata_props: 'ONNX model' } as const;
type Place = keyof typeof PLACES;

/** One for each field of a type, so that none is forgotten. */
type Checks<T> = { readonly [Field in keyof Required<T>]: Check };

/**
 * What a model says of its source, checked once, so that it can be relied upon. Fields that are not known here
 * are left alone: a newer version may have written them.
 * @param value what lies there under `pth2tfjs`
 * @throws Pth2tfjsError `model` naming the field that is not what it should be
 */
export function parseProvenance(value: unknown, place: Place = 'userDefinedMetadata'): Provenance {
  provenance(value, `${place}.pth2tfjs`);
  return value as Provenance;
}

const is =
  (test: (value: unknown) => boolean, what: string): Check =>
  (value, at) => {
    if (!test(value)) throw wrong(at, value, what);
  };

const text = is((value) => typeof value === 'string', 'a text');
const flag = is((value) => typeof value === 'boolean', 'true or false');
const count = is(isCount, 'a whole number');
const hash = is((value) => /^[0-9a-f]{64}$/.test(String(value)), 'a SHA-256 in lowercase hex');
const texts = is(
  (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
  'a list of texts',
);
const channels = is(
  (value) => Array.isArray(value) && value.length === 3 && value.every(Number.isFinite),
  'three numbers',
);
const shape = is(isImageShape, '[null, height, width, 3] or [null, 3, height, width]');
const batches = is(
  (value) =>
    value === null || isCount(value) || (isObject(value) && Object.values(value).every(isCount)),
  'null, a whole number, or one for each BatchNorm',
);

const oneOf = (...values: readonly unknown[]): Check =>
  is((value) => values.includes(value), values.join(' or '));

const nullable =
  (check: Check): Check =>
  (value, at) => {
    if (value !== null) check(value, at);
  };

const optional =
  (check: Check): Check =>
  (value, at) => {
    if (value !== undefined) check(value, at);
  };

function object<T>(checks: Checks<T>): Check {
  return (value, at) => {
    if (!isObject(value)) throw wrong(at, value, 'an object');
    for (const [field, check] of Object.entries<Check>(checks)) {
      check(value[field], `${at}.${field}`);
    }
  };
}

const CONTAINERS: Readonly<Record<Container['format'], true>> = {
  zip: true,
  legacy: true,
  safetensors: true,
};

const source = object<SourceFile>({
  name: nullable(text),
  bytes: count,
  sha256: nullable(hash),
  origin: optional(object<SourceFile['origin'] & object>({ name: nullable(text), sha256: hash })),
  container: oneOf(...Object.keys(CONTAINERS)),
  containerVersion: nullable(text),
  pickleProtocol: nullable(count),
  byteOrder: oneOf('little', 'big'),
  gzip: flag,
});

const provenance = object<Provenance>({
  tool: text,
  network: oneOf(...Object.keys(VARIANTS)),
  format: oneOf(...MODEL_FORMATS),
  source: nullable(source),
  stateDict: object<Provenance['stateDict']>({ name: text, prefix: text }),
  ...variantChecks(),
  transformInput: flag,
  numClasses: count,
  input: object<Provenance['input']>({
    layout: oneOf('NHWC', 'NCHW'),
    shape,
    channels: oneOf('RGB'),
    kind: oneOf(...INPUTS),
    mean: channels,
    std: channels,
  }),
  labels: optional(texts),
  quantization: optional(oneOf(...QUANTIZATIONS)),
  ignoredKeys: texts,
  training: optional(
    object<TrainingRecord>({
      dtype: oneOf(...FLOAT_DTYPES),
      batchesTracked: batches,
      trained: flag,
    }),
  ),
});

function variantChecks(): Checks<Variant> {
  const checks = Object.entries(VARIANTS.googlenet).map(([field, all]) => [field, oneOf(...all)]);
  return Object.fromEntries(checks) as Checks<Variant>;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isImageShape(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [batch, ...image] = value;
  return batch === null && image.every(isCount) && (image[0] === 3 || image[2] === 3);
}

/** A longer value is not shown whole. */
const MAX_SHOWN = 60;

function wrong(at: string, value: unknown, what: string): Pth2tfjsError {
  const whole = value === undefined ? 'missing' : JSON.stringify(value);
  const shown = whole.length > MAX_SHOWN ? `${whole.slice(0, MAX_SHOWN)}…` : whole;
  const [place, field] = at.split('.') as [Place, string];
  const file = PLACES[place];
  return new Pth2tfjsError('model', `${at} in the ${file} is ${shown}, it must be ${what}`, {
    hint: `convert the checkpoint again, or take ${place}.${field} out of the ${file}, which loads without it`,
  });
}
