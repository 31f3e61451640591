/** Pairs with nothing wrong: they must pass, and nothing may be blamed. */
import { convertCheckpoint, type Golden, type NamedBytes } from '../../../src/index.js';
import { editWeights } from '../files.js';
import type { Ground, Planted } from './types.js';

export interface SoundPair {
  readonly name: string;
  readonly needs: readonly string[];
  readonly plant: (ground: Ground) => Promise<Planted>;
}

/** The same network, run by PyTorch in other ways that are right. */
const recorded = (file: string, name: string): SoundPair => ({
  name,
  needs: [file],
  plant: async ({ plain, spoilt }) => ({ files: plain.files, golden: await spoilt(file) }),
});

/** Another network, with its own checkpoint. */
const converted = (
  file: string,
  name: string,
  imageSize = 64,
  transformInput = false,
): SoundPair => ({
  name,
  needs: [file],
  plant: async ({ file: read, spoilt }) => {
    const checkpoint = await read(`${file}.pth`);
    const { files } = await convertCheckpoint(checkpoint, { imageSize, transformInput });
    return { files, checkpoint, golden: await spoilt(file) };
  },
});

/** The sound pair, with the same model written otherwise. */
const written = (
  name: string,
  write: (ground: Ground) => Promise<readonly NamedBytes[]>,
): SoundPair => ({
  name,
  needs: [],
  plant: async (ground) => ({ files: await write(ground), golden: ground.plain.golden }),
});

const OPTIONS = { imageSize: 64, transformInput: false };

/** One part in ten millions, on every second weight: what another order of folding may leave. */
const nudged = ({ plain: { files } }: Ground) =>
  editWeights(files, (weights) => {
    for (const { data } of weights.values()) {
      for (const [i, value] of data.entries()) if (i % 2) data[i] = value * (1 + 1e-7);
    }
  });

/** All weights in one file, under another name. */
function inOneShard({ plain: { files } }: Ground): NamedBytes[] {
  const shards = files.filter(({ name }) => name !== 'model.json');
  const json = files.find(({ name }) => name === 'model.json') as NamedBytes;
  const model = JSON.parse(new TextDecoder().decode(json.bytes));
  model.weightsManifest[0].paths = ['weights.bin'];
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(model)) },
    { name: 'weights.bin', bytes: Buffer.concat(shards.map(({ bytes }) => bytes)) },
  ];
}

const withoutLayers = (golden: Golden): Golden => ({ ...golden, activations: new Map() });

export const SOUND_PAIRS: readonly SoundPair[] = [
  recorded('in-float64', 'PyTorch in float64'),
  recorded('channels-last', 'PyTorch in the memory format channels_last'),
  recorded('one-by-one', 'PyTorch image by image'),
  recorded('traced', 'TorchScript, traced and frozen'),
  recorded('fused', 'PyTorch with its BatchNorm fused'),
  recorded('one-image', 'one image'),
  recorded('everything-recorded', 'a golden file with layers that the model has not'),
  converted('paper-kernels', "the paper's kernels of 5x5"),
  converted('half-checkpoint', 'a checkpoint in float16'),
  converted('odd-size', 'images of 47 pixels', 47),
  converted('two-classes', 'two classes, transform_input on', 64, true),
  converted('dead-channels', 'dead channels'),
  written('a graph model', async ({ checkpoint }) => {
    return (await convertCheckpoint(checkpoint, { ...OPTIONS, format: 'graph' })).files;
  }),
  written('a trainable model', async ({ checkpoint }) => {
    return (await convertCheckpoint(checkpoint, { ...OPTIONS, trainable: true })).files;
  }),
  {
    // Beside the checkpoint they would be told from its own.
    name: 'weights nudged by a rounding',
    needs: [],
    plant: async (ground) => {
      return { files: nudged(ground), golden: ground.plain.golden, checkpoint: null };
    },
  },
  written('weights in one shard', async (ground) => inOneShard(ground)),
  {
    name: 'no layers in the golden file',
    needs: [],
    plant: async ({ plain: { files, golden } }) => ({ files, golden: withoutLayers(golden) }),
  },
];
