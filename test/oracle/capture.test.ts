/**
 * golden/capture.py as users run it: a copy of the one file, on checkpoints and photographs of many
 * kinds. The truth comes from captures.py, which calls torchvision without it.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readGolden } from '../../src/index.js';
import { pth2tfjs } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { type PythonRun, spawnPython } from '../helpers/python.js';
import { slowUnless } from '../helpers/tiers.js';
import { at, make, provenanceOf, python, tensorsOf } from './capture.js';

interface Case {
  readonly name: string;
  readonly checkpoint: string;
  readonly args: readonly string[];
  readonly images: readonly string[];
  /** The layers that are asked for; all of them where it is undefined. */
  readonly layers?: readonly string[];
  readonly provenance: Record<string, unknown>;
}

const CASES: readonly Case[] = [
  {
    name: 'parallel',
    checkpoint: 'parallel.pth',
    args: [],
    images: ['wide.jpg', 'clear.png', 'palette.png'],
    provenance: { transform_input: false, image_size: 224, checkpoint_dtype: 'float32' },
  },
  {
    name: 'half',
    checkpoint: 'half.pth',
    args: ['--image-size', '96', '--no-transform-input', '--legacy'],
    images: ['grey.png', 'wide.jpg'],
    provenance: { transform_input: false, image_size: 96, checkpoint_dtype: 'float16' },
  },
  {
    name: 'paper',
    checkpoint: 'paper.pth.gz',
    args: ['--transform-input'],
    images: ['wide.jpg'],
    layers: ['inception5b', 'inception3a.branch3.1', 'avgpool'],
    provenance: { transform_input: true, image_size: 224, checkpoint_dtype: 'float32' },
  },
];

describe.skipIf(python === undefined)('capture.py', () => {
  for (const { name, checkpoint, args, images, layers, provenance } of CASES) {
    describe(`of '${name}'`, slowUnless(name === 'half'), () => {
      const golden = `${name}.golden.pth`;
      let run: PythonRun;

      beforeAll(async () => {
        await make(name);
        const paths = images.map(at);
        const wanted = ['--layers', ...(layers ?? [])];
        run = await spawnPython(
          python as string,
          at('capture.py'),
          at(checkpoint),
          '--images',
          ...paths,
          ...wanted,
          '-o',
          at(golden),
          ...args,
        );
      });

      it('says what it did, and what to do next', () => {
        expect(run).toMatchObject({ status: 0, stderr: '' });
        for (const image of images)
          expect(run.stdout).toMatch(new RegExp(`^${image}: top-1 \\d+`, 'm'));
        expect(run.stdout).toMatch(/^wrote .* MB$/m);
        expect(run.stdout).toContain(`verify ${at(checkpoint)} --golden ${at(golden)}`);
      });

      it('records batch, logits and layers as torchvision gives them, bit for bit', async () => {
        const truth = await tensorsOf(`${name}.truth.pth`);
        const wanted = layers?.map((layer) => `activations.${layer}`);
        const keys = Object.keys(truth).filter(
          (key) => !key.startsWith('activations.') || (wanted?.includes(key) ?? true),
        );
        expect(keys).toHaveLength(2 + (layers?.length ?? 81));
        expect(await tensorsOf(golden)).toEqual(
          Object.fromEntries(keys.map((key) => [key, truth[key]])),
        );
      });

      it('tells how it came to be', async () => {
        const raw = checkpoint.replace(/\.gz$/, '');
        expect(Object.fromEntries(await provenanceOf(golden))).toMatchObject({
          tool: 'capture.py',
          torch: expect.stringMatching(/^\d+\.\d+/),
          torchvision: expect.stringMatching(/^\d+\.\d+/),
          checkpoint,
          checkpoint_sha256: sha256(readFileSync(at(raw))),
          training: false,
          dtype: 'float32',
          device: 'cpu',
          tf32: false,
          preprocessing: expect.stringMatching(/resize .* crop/),
          images,
          ...provenance,
        });
        expect((await readGolden(readFileSync(at(golden)))).provenance?.checkpoint).toBe(
          checkpoint,
        );
      });

      it('is confirmed by verify', async () => {
        const next = run.stdout.split('npx pth2tfjs ')[1]?.trim().split(' ') as string[];
        const verified = await pth2tfjs(...next);
        expect(verified.stderr).toBe('');
        expect(verified.status, verified.stdout).toBe(0);
      });
    });
  }
});
