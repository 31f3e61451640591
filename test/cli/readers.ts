/** What every command reads, in the forms that it reads. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { BUNDLED, convertBundled } from '../helpers/bundled.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';

export const SHA256 = createHash('sha256').update(BUNDLED).digest('hex');
export const packed = join(GOLDEN, 'googlenet.pth.gz');
export const golden = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
export const photo = join(GOLDEN, 'photos', 'photo.jpg');
/** Model and optimizer, as PyTorch saved them. */
export const training = join(GOLDEN, 'torch-1.13', 'training.pth');
export const folder = temporaryFolder();
export const model = join(folder, 'model');

beforeAll(async () => {
  mkdirSync(model);
  const { files } = await convertBundled({ imageSize: 64, transformInput: false });
  for (const { name, bytes } of files) writeFileSync(join(model, name), bytes);
});
