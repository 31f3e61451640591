/** Graph models of the bundled checkpoint. */
import { readFileSync } from 'node:fs';
import { type ConvertOptions, type Golden, type InputKind, readGolden } from '../../src/index.js';
import { convertBundled } from '../helpers/bundled.js';

export const PLAIN = 'googlenet.golden.pth.gz';
export const ODD = 'googlenet.231.golden.pth.gz';
export const LAYERED = 'googlenet.64.layers.golden.pth.gz';
export const TRANSFORMED = 'googlenet.transform_input.golden.pth.gz';

export const goldenOf = (path: string) => readGolden(readFileSync(path));

export async function graphFor(golden: Golden, input: InputKind, options: ConvertOptions = {}) {
  const size = { imageSize: golden.shape[2], transformInput: false };
  const { files } = await convertBundled({
    ...size,
    format: 'graph',
    input,
    ...options,
  });
  return files;
}
