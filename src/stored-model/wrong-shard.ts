import { describeForeign } from '../checkpoint/container/sniff.js';
import type { NamedBytes } from './artifacts.js';
import { isText } from './is-text.js';

/** What is wrong with a model's weight files, and what to do about it. */
export interface WrongShard {
  readonly message: string;
  readonly hint: string;
}

const HINT =
  'copy the file again from where the model was written, or convert the checkpoint again';

/**
 * Tells which weight file is not what model.json describes.
 * @param expected how many bytes there should be in all, where there are not; null where there are
 * @returns null where nothing is wrong
 */
export function whatIsWrong(
  shards: readonly NamedBytes[],
  expected: number | null,
): WrongShard | null {
  // Weights may begin like anything: only files that have a wrong size, or are texts, are looked at.
  if (expected === null) return findForeign(shards.filter(({ bytes }) => isText(bytes)));
  const odd = oddShards(shards, expected);
  const foreign = findForeign(odd.length > 0 ? odd.map(({ shard }) => shard) : shards);
  if (foreign !== null) return foreign;
  const found = shards.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const message = `the model has ${found} bytes of weights, where model.json describes ${expected}`;
  const sizes = odd.map(
    ({ shard, size }) => `${shard.name} has ${shard.bytes.length} in place of ${size}`,
  );
  return { message: [message, ...sizes.slice(0, 1)].join('; '), hint: HINT };
}

/** The first of the files that is something else. */
function findForeign(shards: readonly NamedBytes[]): WrongShard | null {
  for (const { name, bytes } of shards) {
    // Weights that begin with such a character are no text for that.
    const maybeText = /^[\s{[<v]/.test(String.fromCharCode(bytes[0] ?? 0));
    const foreign = maybeText && !isText(bytes) ? undefined : describeForeign(bytes);
    if (foreign === undefined) continue;
    return { message: `the weight file ${name} is ${foreign[0]}`, hint: hintFor(foreign[1]) };
  }
  return null;
}

/** Advice about checkpoints is none about weight files. */
function hintFor(hint: string): string {
  return /torch|weights_only/i.test(hint) ? HINT : hint;
}

/**
 * The files that are too short or too long, and the sizes that they should have. Writers cut files of equal
 * size, but for the last; none is known to be wrong where they do not.
 */
function oddShards(shards: readonly NamedBytes[], expected: number) {
  const last = shards.length - 1;
  const regular = Math.max(0, ...shards.slice(0, last).map(({ bytes }) => bytes.length));
  const rest = expected - regular * last;
  if (last > 0 && !(rest > 0 && rest <= regular)) return [];
  return shards
    .map((shard, i) => ({ shard, size: i === last ? rest : regular }))
    .filter(({ shard, size }) => shard.bytes.length !== size);
}
