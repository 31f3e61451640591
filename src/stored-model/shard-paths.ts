import type { io } from '@tensorflow/tfjs-core';
import { isPth2tfjsError } from '../base/errors.js';
import { damaged } from './damaged.js';

/**
 * Where a weight file of a model.json may lie, beside it: as it is written, as in TensorFlow.js for Node; then
 * as a web server would find it, without a query such as `?v=2` and with its %-escapes decoded.
 * @throws Pth2tfjsError `model` for what is no path, and for one that leads out of the model's folder
 */
export function localNames(path: unknown): readonly string[] {
  if (typeof path !== 'string') throw damaged('has a model.json with a weight file of no name');
  const bare = path.replace(/[?#].*$/s, '');
  const names = [...new Set([path, bare, decoded(bare)])].map(withoutDots);
  if (names.every(isInside)) return names;
  throw damaged(`names the weight file '${path}', which does not lie in the model's folder`);
}

/**
 * The weight files that a model.json names, as it writes them.
 * @throws Pth2tfjsError `model` where one does not lie in the model's folder, or is named twice
 */
export function weightPaths({ weightsManifest }: io.ModelJSON): readonly string[] {
  const paths = weightsManifest.flatMap((group) => group.paths);
  for (const path of paths) localNames(path);
  const seen = new Set<string>();
  const twice = paths.find((path) => seen.size === seen.add(path).size);
  if (twice !== undefined) throw damaged(`names the weight file ${twice} twice`);
  return paths;
}

/** The same file's URL: a query of the model.json stays with it, as in TensorFlow.js. */
export function besideURL(modelJSON: string, path: string): string {
  const [, folder = '', query = ''] = /^([^?#]*\/)?[^/?#]*(\?[^#]*)?/.exec(modelJSON) ?? [];
  const joined = path.includes('?') ? query.replace('?', '&') : query;
  return `${folder}${path}${joined}`;
}

/** The model.json of a folder that is given by its path or URL, with or without a slash at its end. */
export function modelJSONIn(folder: string): string {
  const [, path = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(folder) ?? [];
  return `${path}${path.endsWith('/') ? '' : '/'}model.json${query}`;
}

/** What was read, and from where. */
export interface Found<T> {
  readonly location: string;
  readonly file: T;
}

/**
 * Reads what a URL leads to: a file, or the model.json of a folder. For a folder without a slash at its end
 * servers answer with a page, or not at all; then its model.json is asked for.
 */
export async function readURL<T extends { readonly bytes: Uint8Array }>(
  url: string,
  read: (url: string) => Promise<T>,
): Promise<Found<T>> {
  const at = async (location: string) => ({ location, file: await read(location) });
  if (/^[^?#]*\/(?:[?#]|$)/.test(url)) return at(modelJSONIn(url));
  if (!mayBeFolder(url)) return at(url);
  try {
    const found = await at(url);
    return isPage(found.file.bytes) ? await at(modelJSONIn(url)).catch(() => found) : found;
  } catch (error) {
    if (!isPth2tfjsError(error) || error.code !== 'io') throw error;
    return await at(modelJSONIn(url)).catch(() => {
      throw error;
    });
  }
}

/** A file's name has a dot. */
function mayBeFolder(url: string): boolean {
  const [, name = ''] = /^[^?#]*?([^/?#]*)(?:[?#].*)?$/s.exec(url) ?? [];
  return !name.includes('.');
}

function isPage(bytes: Uint8Array): boolean {
  return /^\s*</.test(new TextDecoder().decode(bytes.subarray(0, 64)));
}

/** TensorFlow.js itself writes `./weights.bin`. */
function withoutDots(path: string): string {
  const parts = path.split('/').filter((part) => part !== '.');
  return parts.join('/');
}

function isInside(name: string): boolean {
  const elsewhere = /^(?:[a-z][a-z0-9+.-]*:|[/\\])/i.test(name);
  return name !== '' && !elsewhere && !/\p{Cc}/u.test(name) && !/(^|[/\\])\.\.([/\\]|$)/.test(name);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
