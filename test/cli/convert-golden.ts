/** `convert --golden`, of the bundled checkpoint, into a folder of its own for each test. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach } from 'vitest';
import { CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';

export const tmp = temporaryFolder();
/** Of the bundled checkpoint, as they say: two images of 64 pixels, transform_input off; of 224, on. */
export const small = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
export const transformed = join(GOLDEN, 'googlenet.transform_input.golden.pth.gz');

export let out: string;
let count = 0;
beforeEach(() => {
  out = join(tmp, `${++count}`, 'out');
  mkdirSync(join(tmp, `${count}`));
});

export const convert = (...args: string[]) => pth2tfjs('convert', CHECKPOINT, out, ...args);
/** What is in the folder that `out` was to be made in, hidden names too. */
export const beside = () => readdirSync(join(out, '..'));
export const metadata = () =>
  JSON.parse(readFileSync(join(out, 'model.json'), 'utf8')).userDefinedMetadata.pth2tfjs;
