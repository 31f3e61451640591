/** The same causes, where the golden file has no layers or the model must be run. */
import { describe, expect, test } from 'vitest';
import { prepareBackend } from '../../src/runtimes/backends.js';
import { openStoredModel } from '../../src/stored-model/open.js';
import { everywhere } from '../../src/verify/causes/everywhere.js';
import { exchangedLayers } from '../../src/verify/causes/exchanged.js';
import { Laboratory } from '../../src/verify/laboratory.js';
import { verifyModel } from '../../src/verify/verify-model.js';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { SLOW } from '../helpers/tiers.js';
import { CASES, goldenOf, MEANS, OPTIONS, python, reading } from './causes.js';

describe.skipIf(python === undefined)('from layers and runs of the model', SLOW, () => {
  // The layers are those of the images as they are, or of the mirrored ones, which ran last.
  const both = MEANS.flatMap(([name, ...rest]) => [
    [name, ...rest] as const,
    [`${name}-after`, ...rest] as const,
  ]);

  test.each(both)('%s is told', async (name, id, _where, summary) => {
    const { files } = await convertBundled(OPTIONS);
    const { diagnosis } = await verifyModel(files, await goldenOf(name), { checkpoint: BUNDLED });
    expect(diagnosis?.cause).toMatchObject({ id });
    expect(diagnosis?.cause?.summary).toMatch(summary);
  });
});

const FROM_LOGITS = new Set([
  'fc-bias',
  'fc-in-half',
  'dropout',
  'training',
  'temperature',
  'class-shift',
  'divided-twice',
  'divided-twice-raw',
  'divided-twice-alone',
  'divided-twice-before',
  'divided-twice-saved',
  'divided-after',
  'bytes',
  'bytes-rounded',
  'rounded-run',
  'eight-bits-run',
  'larger',
  'smaller-centre',
  'softmax-2',
  'log-softmax-2',
  'less-maximum',
  'less-first',
  'sorted-down',
  'softmax-sorted',
]);

describe.skipIf(python === undefined)('from the logits alone', SLOW, () => {
  const LOGITS = CASES.filter(([name]) => FROM_LOGITS.has(name));

  test.each([...LOGITS, ...MEANS])('%s is told', async (name, id, _where, summary) => {
    const golden = { ...(await goldenOf(name)), activations: new Map() };
    const { files } = await convertBundled(OPTIONS);
    const { diagnosis } = await verifyModel(files, golden, { checkpoint: BUNDLED });
    expect(diagnosis?.cause).toMatchObject({ id });
    expect(diagnosis?.cause?.summary).toMatch(summary);
  });

  const ALIKE = CASES.filter(([name]) =>
    ['instance-norm', 'relu-before', 'biases-lost', 'kernels-exchanged'].includes(name),
  );

  test.each(ALIKE)(
    '%s closes the gap, and nothing else does',
    async (name, id, _where, _summary) => {
      const golden = { ...(await goldenOf(name)), activations: new Map() };
      const { files } = await convertBundled(OPTIONS);
      const checkpoint = { stateDict: await reading, branch3Kernel: 3 } as const;
      const backend = await prepareBackend('wasm');
      const lab = new Laboratory(openStoredModel(files), golden, 5e-5, null, checkpoint);
      const closing = new Set<string>();
      const before = await lab.error({}, Infinity);
      for (const suspect of [...everywhere(lab), ...exchangedLayers(lab)]) {
        const error = suspect.measure ? undefined : await lab.error(suspect.variation ?? {});
        const closes =
          error === undefined ? (await suspect.measure?.(lab, before))?.convicted : error <= 5e-5;
        if (closes) closing.add(suspect.id);
      }
      lab.dispose();
      await backend.stop();
      expect([...closing]).toEqual([id]);
    },
  );
});
