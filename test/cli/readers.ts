/** What every command reads, in the forms that it reads. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { convertBundled } from '../helpers/bundled.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';

export const packed = join(GOLDEN, 'googlenet.pth.gz');
export const golden = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
export const photo = join(GOLDEN, 'photos', 'photo.jpg');
export const folder = temporaryFolder();
export const model = join(folder, 'model');

beforeAll(async () => {
  mkdirSync(model);
  const { files } = await convertBundled({ imageSize: 64, transformInput: false });
  for (const { name, bytes } of files) writeFileSync(join(model, name), bytes);
});
