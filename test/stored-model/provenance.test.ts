/** What a model.json says of its source, malformed in every field: told, and never a bug of ours. */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type ConvertOptions,
  exportCheckpoint,
  type Golden,
  isPth2tfjsError,
  loadGoogLeNet,
  type NamedBytes,
  type Provenance,
  verifyModel,
} from '../../src/index.js';
import { loadModel } from '../../src/runtimes/tfjs/load.js';
import { inspectModel } from '../../src/stored-model/inspect-model.js';
import { openStoredModel } from '../../src/stored-model/open.js';
import { parseProvenance } from '../../src/stored-model/parse-provenance.js';
import { openTrainable } from '../../src/stored-model/trainable-model.js';
import { imageNHWC } from '../../src/verify/golden.js';
import { formatReport, REPORT_FORMATS } from '../../src/verify/report/format-report.js';
import { convertBundled } from '../helpers/bundled.js';
import { SLOW, slowUnless } from '../helpers/tiers.js';
import { saveTiny, TINY_IMAGE, type TinyModel, tinyFiles } from '../helpers/tiny-model.js';

let tiny: TinyModel;
let golden: Golden;

beforeAll(async () => {
  tiny = await saveTiny();
  const model = await loadModel(tinyFiles(tiny));
  const batch = { input: TINY_IMAGE, shape: [1, 3, 4, 4] as const };
  golden = {
    ...batch,
    logits: await model.predict(imageNHWC(batch as Golden, 0)),
    numClasses: 2,
    activations: new Map(),
    provenance: null,
  };
  model.dispose();
});

type Json = Record<string, unknown> & { modelTopology?: unknown; weightsManifest?: unknown };

/** In place of any field; `undefined` takes it away. */
const JUNK: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  1.5,
  1e300,
  '',
  'x',
  'x'.repeat(1_000_000),
  [],
  [null],
  {},
  { length: 3 },
  [[[[]]]],
];

/** Every path to a field in a value, lists by their first two items. */
function pathsIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Object.keys(value);
  const shown = Array.isArray(value) ? keys.slice(0, 2) : keys;
  return [path, ...shown.flatMap((key) => pathsIn((value as Json)[key], [...path, key]))];
}

/** What a field that holds such a value cannot hold. */
function junkFor(value: unknown): unknown {
  if (value === null) return {};
  return typeof value === 'string' ? 5 : 'x';
}

/** A copy with something else at a path. */
function replaced(value: unknown, [key, ...rest]: readonly string[], junk: unknown): unknown {
  if (key === undefined) return junk;
  const copy = structuredClone(value) as Json;
  const next = replaced(copy[key], rest, junk);
  if (next === undefined) delete copy[key];
  else copy[key] = next;
  return copy;
}

/** All malformed ones that can be made of a value. */
function* malformed(value: unknown): Generator<readonly [where: string, value: unknown]> {
  for (const path of pathsIn(value)) {
    for (const junk of JUNK) {
      const shown = JSON.stringify(junk)?.slice(0, 20) ?? 'nothing';
      yield [`${path.join('.') || 'all'} is ${shown}`, replaced(value, path, junk)];
    }
  }
}

const modelOf = (pth2tfjs: unknown) => tinyFiles(tiny, { userDefinedMetadata: { pth2tfjs } });

/** Whether work fails, which it may only with an error of this package. */
async function fails(where: string, work: () => unknown): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (!isPth2tfjsError(error)) throw new Error(`${where}: ${String(error)}`, { cause: error });
    expect([where, error.code]).toEqual([where, 'model']);
    expect(error.message.length).toBeLessThan(300);
    return true;
  }
}

const KINDS: readonly [string, ConvertOptions][] = [
  ['a layers model', { labels: Array.from({ length: 1000 }, (_, i) => `label ${i}`) }],
  ['a graph that takes pixels', { format: 'graph', input: 'pixels', quantization: 'float16' }],
  ['a trainable model', { trainable: true }],
];

describe.each(KINDS)('of %s', (_, options) => {
  let good: Provenance;
  beforeAll(async () => {
    const { files } = await convertBundled({ imageSize: 64, transformInput: false, ...options });
    good = openStoredModel(files).provenance as Provenance;
  });

  test('what convert writes is taken as it is', () => {
    expect(parseProvenance(structuredClone(good))).toEqual(good);
    expect(parseProvenance({ ...good, later: 'field' })).toMatchObject(good);
  });

  test('every field is checked: of the wrong type it is named, with what it must be', () => {
    for (const path of pathsIn(good)) {
      const junk = junkFor(path.reduce((value: unknown, key) => (value as Json)[key], good));
      const whole = path.slice(0, path.includes('batchesTracked') ? 2 : undefined);
      const field = whole.filter((key) => !/^\d/.test(key)).map((key) => `\\.${key}`);
      const message = `^userDefinedMetadata\\.pth2tfjs${field.join('')} in the model\\.json is .*, it must be `;
      const parse = () => parseProvenance(replaced(good, path, junk));
      expect(parse, path.join('.')).toThrow(new RegExp(message));
    }
  });

  const tier = slowUnless(options.format === 'graph');
  test('of whatever else, loading, inspecting and verifying end well or say so', tier, async () => {
    let refused = 0;
    let taken = 0;
    for (const [where, value] of malformed(good)) {
      const files = modelOf(value);
      const bad = await fails(where, () => openStoredModel(files).provenance);
      if (bad) refused++;
      else taken++;
      expect([where, await fails(where, () => inspectModel(openStoredModel(files)))]).toEqual([
        where,
        bad,
      ]);
      // Both only read it anew: what is refused is refused by all.
      if (bad && refused % 20 > 0) continue;
      const verified = await fails(where, async () => {
        const verification = await verifyModel(files, golden, { backends: ['cpu'] });
        for (const format of REPORT_FORMATS) formatReport(verification, format);
      });
      expect([where, verified]).toEqual([where, bad]);
    }
    expect(refused).toBeGreaterThan(300);
    expect(taken).toBeGreaterThan(10);
  });
});

test.each([null, {}, { other: 'app' }])(
  'metadata of others is left alone: %j',
  async (userDefinedMetadata) => {
    const files = tinyFiles(tiny, { userDefinedMetadata });
    expect(openStoredModel(files).provenance).toBeNull();
    const verification = await verifyModel(files, golden, { backends: ['cpu'] });
    expect(verification.passed).toBe(true);
  },
);

// Nor does stock TensorFlow.js load it.
test.each([['notes'], [5], [true], [[]]])(
  'metadata that is no object is told: %j',
  async (userDefinedMetadata) => {
    const files = tinyFiles(tiny, { userDefinedMetadata });
    await expect(loadModel(files)).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(/metadata is expected to be a JSON object/),
    });
  },
);

test('an app is told, by files and by an IOHandler', async () => {
  const userDefinedMetadata = { pth2tfjs: { source: {} } };
  const files = tinyFiles(tiny, { userDefinedMetadata });
  const picked = files.map(({ name, bytes }) => new File([bytes as Uint8Array<ArrayBuffer>], name));
  const handler = {
    load: async () => ({
      modelTopology: tiny.topology,
      weightSpecs: [...tiny.weights],
      weightData: tiny.data.slice().buffer,
      userDefinedMetadata,
    }),
  };
  for (const source of [picked, handler]) {
    await expect(loadGoogLeNet(source)).rejects.toMatchObject({
      code: 'model',
      message: 'userDefinedMetadata.pth2tfjs.tool in the model.json is missing, it must be a text',
      hint: expect.stringMatching(/take userDefinedMetadata\.pth2tfjs out of the model\.json/),
    });
  }
});

describe('export', SLOW, () => {
  let files: readonly NamedBytes[];
  let json: Json;
  beforeAll(async () => {
    ({ files } = await convertBundled({ imageSize: 64, transformInput: false, trainable: true }));
    json = JSON.parse(new TextDecoder().decode(files[0]?.bytes));
  });

  const withJSON = (value: unknown): readonly NamedBytes[] => [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(value) ?? '') },
    ...files.slice(1),
  ];

  test('of a model whose notes on training make no sense says so', async () => {
    const notes = ['userDefinedMetadata', 'pth2tfjs', 'training'];
    for (const [field, junk] of [
      ['dtype', 'float99'],
      ['batchesTracked', { 'conv1.bn': -1 }],
      ['batchesTracked', 'x'],
      ['trained', 1],
    ] as const) {
      const bad = withJSON(replaced(json, [...notes, field], junk));
      expect(await fails(field, () => exportCheckpoint(bad))).toBe(true);
    }
  });

  test('of a model.json that is malformed anywhere ends well or says so', async () => {
    const { layers } = (json.modelTopology as { config: { layers: Json[] } }).config;
    const input = layers.findIndex(({ name }) => name === 'input');
    const dropout = layers.findIndex(({ name }) => name === 'dropout');
    const at = ['modelTopology', 'config', 'layers'];
    const places = [
      ...Object.keys(json).map((key) => [key]),
      ...['config', 'class_name'].map((key) => ['modelTopology', key]),
      at,
      ...[input, dropout].flatMap((i) =>
        pathsIn(layers[i]).map((path) => [...at, String(i), ...path]),
      ),
      ...pathsIn((json.weightsManifest as Json[])[0]).map((path) => [
        'weightsManifest',
        '0',
        ...path,
      ]),
    ];
    for (const place of places) {
      for (const junk of [undefined, null, -1, [null]]) {
        const bad = withJSON(replaced(json, place, junk));
        // All that export reads of it.
        await fails(`${place.join('.')} is ${JSON.stringify(junk)}`, () =>
          openTrainable(openStoredModel(bad)),
        );
      }
    }
  });
});
