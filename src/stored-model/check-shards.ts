import { Pth2tfjsError } from '../base/errors.js';
import { isText } from './is-text.js';
import { totalBytes } from './model-json.js';
import type { StoredModel } from './stored-model.js';

/**
 * Checks that the weight files are those that model.json describes.
 * @throws Pth2tfjsError `model`, naming the file that is wrong and what it is instead
 */
export async function checkShards(model: StoredModel): Promise<void> {
  const { specs, shards } = model;
  const rightSize = isRightSize(model);
  // Apps whose models are sound are spared what tells files apart.
  if (rightSize && !shards.some(({ bytes }) => isText(bytes))) return;
  const { whatIsWrong } = await import('./wrong-shard.js');
  const wrong = whatIsWrong(shards, rightSize ? null : totalBytes(specs));
  if (wrong === null) return;
  throw new Pth2tfjsError('model', wrong.message, { hint: wrong.hint });
}

/** Strings are stored with their lengths, and nothing else tells those. */
export function isRightSize({ specs, weightBytes }: StoredModel): boolean {
  const expected = totalBytes(specs);
  const strings = specs.some(({ dtype }) => dtype === 'string');
  return strings ? weightBytes >= expected : weightBytes === expected;
}
