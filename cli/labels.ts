import type { ConvertOptions } from '../src/convert.js';
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
  const { IMAGENET_LABELS } = await import('../src/imagenet-labels.js');
  if (location === undefined) return { officialLabels: IMAGENET_LABELS };
  if (location === 'imagenet') return { labels: IMAGENET_LABELS };
  const { bytes } = await readSource(location, { maxBytes: MOST_BYTES });
  const { parseLabels } = await import('../src/labels.js');
  const labels = await inFile(location, async () => parseLabels(new TextDecoder().decode(bytes)));
  return { labels };
}

const MOST_BYTES = 2 ** 24;
