import { existsSync } from 'node:fs';
import { glob, isDynamicPattern } from 'tinyglobby';
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
  return (await readSource(location, { maxBytes: MOST_BYTES })).bytes;
}

const MOST_BYTES = 2 ** 28;
