import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { preprocess, type RawImage, resizeAndCrop } from '../../src/image/index.js';
import { temporaryFolder } from '../helpers/cli.js';
import { findPython, runPython } from '../helpers/python.js';
import { drawSeed } from '../helpers/seed.js';

fc.configureGlobal({ seed: drawSeed('preprocess.test.ts') });

const python = await findPython('preprocessing against torchvision');

interface Case {
  readonly width: number;
  readonly height: number;
  readonly imageSize: number;
}

/** The same image with an alpha channel, which must not matter. */
function withAlpha({ data, width, height }: RawImage): RawImage {
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    rgba.set(data.subarray(i * 3, i * 3 + 3), i * 4);
    rgba[i * 4 + 3] = (i * 37) % 256;
  }
  return { data: rgba, width, height };
}

describe('images that torchvision prepared once', () => {
  const text = readFileSync(new URL('preprocess.json', import.meta.url), 'utf8');
  const cases = JSON.parse(text) as readonly (Case & { pixels: string; cropped: string })[];

  it.each(cases)('$width x $height for $imageSize: every byte', (each) => {
    const { width, height, imageSize } = each;
    const image = { data: Buffer.from(each.pixels, 'base64'), width, height };
    const expected = new Uint8Array(Buffer.from(each.cropped, 'base64'));
    expect(resizeAndCrop(image, { imageSize })).toEqual(expected);
    expect(resizeAndCrop(withAlpha(image), { imageSize })).toEqual(expected);
  });
});

(python === undefined ? describe.skip : describe)('images that torchvision prepares now', () => {
  const seed = drawSeed('preprocess.py');
  const folder = temporaryFolder();
  let cases: readonly Case[] = [];

  beforeAll(async () => {
    const options = ['--seed', String(seed), '--out', folder];
    await runPython(python as string, 'test/image/preprocess.py', ...options);
    cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
  });

  it('every byte after the crop, and every float that the network is given', () => {
    expect(cases.length).toBeGreaterThan(70);
    for (const [index, { width, height, imageSize }] of cases.entries()) {
      const read = (name: string) => readFileSync(join(folder, `${index}.${name}`));
      const image = { data: read('pixels'), width, height };
      const context = `${width}x${height} for ${imageSize}`;
      const cropped = resizeAndCrop(image, { imageSize });
      expect(Buffer.compare(cropped, read('cropped')), context).toBe(0);
      const input = Buffer.from(preprocess(image, { imageSize }).buffer);
      expect(Buffer.compare(input, read('input')), context).toBe(0);
    }
  });
});

describe('any image', () => {
  const side = fc.integer({ min: 1, max: 80 });
  const size = fc.integer({ min: 15, max: 60 });

  it('of one colour keeps it', () => {
    const colour = fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 0, max: 255 })));
    fc.assert(
      fc.property(side, side, size, colour, (width, height, imageSize, rgb) => {
        const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => rgb[i % 3] ?? 0);
        const cropped = resizeAndCrop({ data, width, height }, { imageSize });
        expect(cropped).toHaveLength(imageSize * imageSize * 3);
        expect(cropped.every((value, i) => value === rgb[i % 3])).toBe(true);
      }),
    );
  });

  it('stays as it was given', () => {
    const data = Uint8Array.from({ length: 48 }, (_, i) => i);
    preprocess({ data, width: 4, height: 4 });
    expect(data).toEqual(Uint8Array.from({ length: 48 }, (_, i) => i));
  });
});

describe('pixels that do not fit', () => {
  const data = new Uint8Array(12);

  it.each([
    [{ data, width: 2, height: 3 }, /2x3 pixels with 12 bytes; RGB takes 18, RGBA 24/],
    [{ data, width: 0, height: 4 }, /0x4/],
    [{ data, width: -2, height: -2 }, /-2x-2/],
    [{ data, width: 1.5, height: 2 }, /1.5x2/],
    [{ data, width: NaN, height: 2 }, /NaNx2/],
  ])('%o', (image, message) => {
    expect(() => preprocess(image)).toThrow(message);
  });

  it.each([0, -1, 1.5, NaN])('an image size of %d', (imageSize) => {
    expect(() => preprocess({ data, width: 2, height: 2 }, { imageSize })).toThrow(/image size/);
  });
});
