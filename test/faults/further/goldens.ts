/** Mistakes that were made in PyTorch; `further.py` makes them. */
import { convertCheckpoint, readGolden } from '../../../src/index.js';
import { INPUTS, LOGITS } from './data-rows.js';
import { NETWORK_ROWS } from './network-rows.js';
import { ALWAYS, type Further, further, type Ground, type Row } from './types.js';

/** The right model, against a golden file that is not. */
const against = ([file, name, truth, options]: Row): Further =>
  further(
    name,
    [file],
    truth,
    async ({ plain, spoilt }) => ({ files: plain.files, golden: await spoilt(file) }),
    options,
  );

/** Against the model whose transform_input is on. */
const transformed = (file: string, name: string, truth: readonly RegExp[]): Further =>
  further(
    name,
    [file],
    truth,
    async (ground) => ({ files: ground.transformed.files, golden: await ground.spoilt(file) }),
    { layer: 'conv1' },
  );

/** With a checkpoint of its own. */
async function auxiliary(ground: Ground) {
  const checkpoint = await ground.file('auxiliary.pth');
  const { files } = await convertCheckpoint(checkpoint, { imageSize: 64, transformInput: false });
  return { files, checkpoint, golden: await readGolden(await ground.file('auxiliary.golden.pth')) };
}

/** True of all that is done to the logits alone. */
const LOGITS_CHANGED = /logits (are|were) not|(done|happened) to (them|the logits)/i;

const ofLogits = ([file, name, truth, options]: Row): Row => [
  file,
  name,
  truth,
  { half: LOGITS_CHANGED, ...options },
];

const ROWS: readonly Row[] = [...NETWORK_ROWS, ...LOGITS.map(ofLogits), ...INPUTS];

export const FURTHER_GOLDENS: readonly Further[] = [
  ...ROWS.map(against),
  transformed('transform-twice', 'transform_input twice', [
    // Images normalised by 0.5 are those that it has gone over once.
    /transform.*(twice|two times|second time|already|both)|0\.5/i,
  ]),
  // As if it were off, and the input what it is.
  transformed('transform-saved', 'the input saved after transform_input', [/transform/i]),
  further('logits of the first auxiliary head', ['auxiliary'], [/aux/i], auxiliary),
  against(['from-another', 'made from another checkpoint, as it says', [/checkpoint/i], ALWAYS]),
];
