import { existsSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { glob, isDynamicPattern } from 'tinyglobby';
import { Pth2tfjsError } from '../src/errors.js';
import { readSource } from './source.js';
import { STDIN } from './stdin.js';

/**
 * The files that the arguments of a command mean, each once, in order: patterns such as `photos/*.jpg`
 * are expanded here too, for shells that do not and for lists that are too long for one.
 */
export async function expandImages(patterns: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pattern of patterns) {
    const literal = pattern === STDIN || !isDynamicPattern(pattern) || existsSync(pattern);
    const matches = literal ? [pattern] : await glob(pattern, { expandDirectories: false });
    // A pattern without a match goes on as a name, to be reported as one that does not exist.
    found.push(...(matches.length === 0 ? [pattern] : matches.sort()));
  }
  return [...new Set(found)];
}

/** The bytes of an image file, a URL, or stdin. */
export async function readImage(location: string): Promise<Uint8Array> {
  if (location !== STDIN) return (await readSource(location, { maxBytes: MOST_BYTES })).bytes;
  if (process.stdin.isTTY) {
    throw new Pth2tfjsError('usage', 'stdin is a terminal, no image', {
      hint: 'pipe an image in: pth2tfjs classify out/ - < photo.jpg',
    });
  }
  return buffer(process.stdin);
}

const MOST_BYTES = 2 ** 28;
