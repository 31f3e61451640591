/** Image files of every kind, pixel by pixel as a live Pillow decodes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../cli/decode-image.js';
import { temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';

const python = await findPython('images of every kind against a live Pillow');
const folder = temporaryFolder();
/** Every seed will do: whatever Pillow and libvips decode, they decode alike. */
const SEEDS = [1, 2, 3, 4, 5];

/** What Pillow made of a file; null for an error. */
type Answer = { readonly width: number; readonly height: number; readonly sha256: string } | null;

async function ours(path: string): Promise<Answer> {
  try {
    const { data, width, height } = await decodeImage(readFileSync(path));
    return { width, height, sha256: sha256(new Uint8Array(data)) };
  } catch (error) {
    expect(error).toMatchObject({ code: 'image', hint: expect.any(String) });
    return null;
  }
}

async function both(script: string, record: string, ...options: string[]) {
  const out = join(folder, record);
  await runPython(python as string, `test/image/${script}`, out, ...options);
  const theirs = JSON.parse(readFileSync(join(out, record), 'utf8')) as Record<string, Answer>;
  const answers = new Map<string, Answer>();
  for (const name of Object.keys(theirs)) answers.set(name, await ours(join(out, name)));
  return { theirs: new Map(Object.entries(theirs)), answers };
}

describe.skipIf(python === undefined)('beside Pillow', () => {
  test('random GIFs are the same, or an error in both', async () => {
    const seed = drawSeed('gif-oracle.py', SEEDS);
    const { theirs, answers } = await both('gif-oracle.py', 'gifs.json', '--seed', String(seed));
    expect(answers).toEqual(theirs);
    const decoded = [...theirs.values()].filter((answer) => answer !== null);
    expect(decoded.length).toBeGreaterThan(50);
    expect(decoded.length).toBeLessThan(theirs.size);
  });

  test('PNG of every kind, WebP and JPEG are the same, but for those that are refused', async () => {
    const seed = drawSeed('image-oracle.py', SEEDS);
    const { theirs, answers } = await both(
      'image-oracle.py',
      'images.json',
      '--seed',
      String(seed),
    );
    // Greys of 16 bits, which Pillow cuts off at 255, and CMYK.
    const refused = [...theirs.keys()].filter((name) => /^(png-0-16|cmyk)/.test(name));
    expect(refused).toHaveLength(5);
    for (const name of refused) theirs.set(name, null);
    expect(answers).toEqual(theirs);
    expect(theirs.size).toBeGreaterThan(70);
  });
});

/** Two pixels, red and green, of which the red one is transparent. */
const SMALLEST = Buffer.from(
  '47494638396102000100800000ff000000ff0021f90401000000002c00000000020001000002' + '02440a003b',
  'hex',
);

describe('a GIF', () => {
  const edited = (at: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(SMALLEST);
    copy.set(bytes, at);
    return copy;
  };

  test('keeps the colours of what is transparent', async () => {
    const { data, width, height } = await decodeImage(SMALLEST);
    expect([width, height, ...data]).toEqual([2, 1, 255, 0, 0, 0, 255, 0]);
  });

  test('has the transparent colour around a first frame that is smaller than the canvas', async () => {
    const { data, width } = await decodeImage(edited(6, 3));
    expect([width, ...data]).toEqual([3, 255, 0, 0, 0, 255, 0, 255, 0, 0]);
  });

  test.each<[what: string, bytes: Uint8Array, message: RegExp]>([
    ['that claims gigabytes', edited(6, 255, 255, 255, 255), /more than \d+ pixels/],
    ['of a frame without pixels', edited(32, 0, 0), /holds no pixels/],
    ['that is cut off', SMALLEST.subarray(0, 36), /cut off/],
    ['that ends before its last pixel', edited(32, 9), /ends before its last pixel/],
    ['with a code that has no meaning', edited(39, 0xfc), /code without meaning/],
    ['with codes of twelve bits', edited(37, 12), /start with 12 bits/],
    ['with a colour that is not in the palette', edited(39, 0x84), /the colour 2, and its palette/],
    ['without an image', edited(27, 0x3b), /no image in it/],
  ])('%s is an error', async (_, bytes, message) => {
    await expect(decodeImage(bytes)).rejects.toMatchObject({
      code: 'image',
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
  });
});
