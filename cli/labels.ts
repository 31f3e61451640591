import { Pth2tfjsError } from '../src/base/errors.js';
import type { ConvertOptions } from '../src/convert-options.js';
import { inFile } from './input.js';
import { readSource } from './source.js';

/**
 * The names that `--labels` asks for: of a file, or ImageNet's by that word. Without it, the official
 * weights have ImageNet's names.
 * @throws Pth2tfjsError `io` or `usage` for a file that holds none
 */
export async function readLabels(
  location: string | undefined,
): Promise<Pick<ConvertOptions, 'labels' | 'officialLabels'>> {
  const { IMAGENET_LABELS } = await import('../src/image/imagenet-labels.js');
  if (location === undefined) return { officialLabels: IMAGENET_LABELS };
  if (location === 'imagenet') return { labels: IMAGENET_LABELS };
  const { bytes } = await readSource(location, { maxBytes: MOST_BYTES });
  const { parseLabels } = await import('../src/image/labels.js');
  return { labels: await inFile(location, async () => parseLabels(decode(bytes))) };
}

/** Text in UTF-8, or as Windows writes it, in UTF-16, which then starts with a byte order mark. */
function decode(bytes: Uint8Array): string {
  const [first = 0, second = 0] = bytes;
  const mark = first * 256 + second;
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Pth2tfjsError('usage', `the list of labels is no text in ${encoding.toUpperCase()}`, {
      hint: 'save it as UTF-8',
      cause,
    });
  }
}

const MOST_BYTES = 2 ** 24;
