/** What only browsers have of the app API: their images, their files, their workers. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from 'vitest/browser';
import { toBatch } from '../../src/app/input.js';
import { preprocess, type RawImage } from '../../src/image/index.js';
import {
  type GoogLeNet,
  type GoogLeNetSource,
  type ImageInput,
  loadGoogLeNet,
} from '../../src/index.js';
import { fetchBytes, fetchModel, fetchText, registerBackends, urlOf } from '../helpers/app.js';
import { SLOW, SLOW_ON_GPU } from '../helpers/tiers.js';

declare module 'vitest/browser' {
  interface BrowserCommands {
    pick(selector: string, path: string): Promise<void>;
  }
}

let model: GoogLeNet;

beforeAll(async () => {
  await registerBackends();
  model = await loadGoogLeNet(urlOf('layers/model.json'));
});
afterAll(() => model.dispose());

/** A photo of golden/photos, as a page loads it. */
async function imageOf(file: string, crossOrigin: string | null = 'anonymous') {
  const image = new Image();
  image.crossOrigin = crossOrigin;
  image.src = urlOf(`golden/photos/${file}`);
  await image.decode();
  return image;
}

interface Photo {
  readonly file: string;
  readonly width: number;
  readonly height: number;
}

/** The same as Pillow decodes it. */
async function pillows({ file, width, height }: Photo): Promise<RawImage> {
  return { data: await fetchBytes(`decoded/${file}`), width, height };
}

/** A quarter turn clockwise, which is what orientation 6 asks for. */
function turned({ data, width, height }: RawImage): RawImage {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < height; x++) {
      const from = ((height - 1 - x) * width + y) * 3;
      out.set(data.subarray(from, from + 3), (y * height + x) * 3);
    }
  }
  return { data: out, width: height, height: width };
}

describe('photos', SLOW_ON_GPU, () => {
  test('become every float that torchvision makes of Pillow’s pixels', async () => {
    const { photos } = JSON.parse(await fetchText('golden/photos/photos.json')) as {
      readonly photos: readonly Photo[];
    };
    // Those that are not opaque are refused; see below.
    for (const photo of photos.filter(({ file }) => file !== 'alpha.png')) {
      const pixels = await pillows(photo);
      // A browser turns what the camera's orientation says; Pillow's `open` leaves it.
      const upright = photo.file === 'upright.jpg' ? turned(pixels) : pixels;
      const expected = preprocess(upright, { imageSize: 224 });
      const actual = await toBatch(await imageOf(photo.file), 224);
      expect(actual).toHaveLength(expected.length);
      const differing = actual.filter((value, i) => value !== expected[i]);
      expect([photo.file, differing.length]).toEqual([photo.file, 0]);
    }
  });

  test('with transparent pixels are refused, since a canvas loses their colours', async () => {
    const refused = { code: 'image', hint: expect.stringMatching(/over a background/) };
    await expect(toBatch(await imageOf('alpha.png'), 224)).rejects.toMatchObject(refused);
    // Two pixels, of which one is transparent.
    const gif = new Image();
    gif.src = 'data:image/gif;base64,R0lGODlhAgABAIAAAP8AAAD/ACH5BAEAAAAALAAAAAACAAEAAAICRAoAOw==';
    await gif.decode();
    await expect(toBatch(gif, 224)).rejects.toMatchObject(refused);
    const canvas = new OffscreenCanvas(8, 8);
    canvas.getContext('2d')?.fillRect(2, 2, 4, 4);
    await expect(toBatch(canvas, 224)).rejects.toMatchObject(refused);
  });

  test('with transparent pixels are what is drawn over a background, or RGBA without alpha', async () => {
    const [width, height] = [99, 140];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
    context.fillStyle = 'white';
    context.fillRect(0, 0, width, height);
    context.drawImage(await imageOf('alpha.png'), 0, 0);
    expect(await toBatch(canvas, 224)).toHaveLength(224 ** 2 * 3);
    const rgb = await pillows({ file: 'alpha.png', width, height });
    const rgba = new Uint8Array(width * height * 4);
    for (let i = 0; i < width * height; i++) {
      rgba.set([...rgb.data.subarray(i * 3, i * 3 + 3), i % 256], i * 4);
    }
    expect(await toBatch({ data: rgba, width, height }, 224)).toEqual(await toBatch(rgb, 224));
  });
});

describe('what a browser draws', SLOW_ON_GPU, () => {
  const [width, height] = [90, 70];
  let canvas: HTMLCanvasElement;
  let pixels: ImageData;

  beforeAll(() => {
    canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d', {
      willReadFrequently: true,
    }) as CanvasRenderingContext2D;
    for (const [i, colour] of ['#d02030', '#20a040', '#3050e0', '#808080'].entries()) {
      context.fillStyle = colour;
      context.fillRect((i % 2) * 45, i < 2 ? 0 : 35, 45, 35);
    }
    pixels = context.getImageData(0, 0, width, height);
  });

  test('is the same image in every shape', async () => {
    const image = new Image();
    image.src = canvas.toDataURL();
    await image.decode();
    const offscreen = new OffscreenCanvas(width, height);
    offscreen.getContext('2d')?.putImageData(pixels, 0, 0);
    const bitmap = await createImageBitmap(canvas);
    const tensor = tf.browser.fromPixels(pixels);
    const rgba = { data: pixels.data, width, height };
    const shapes: ImageInput[] = [rgba, pixels, canvas, image, offscreen, bitmap, tensor];
    const batch = await toBatch(shapes, 64);
    tensor.dispose();
    const [first, ...others] = shapes.map((_, i) =>
      batch.subarray(i * 64 ** 2 * 3, (i + 1) * 64 ** 2 * 3),
    );
    for (const other of others) expect(other).toEqual(first);
    expect(await model.classify(canvas)).toEqual(await model.classify(rgba));
  });

  test('a video is the frame that it shows', async () => {
    const video = document.createElement('video');
    await expect(model.classify(video)).rejects.toThrow(/without a size/);
    video.muted = true;
    video.srcObject = canvas.captureStream();
    // A frame goes out when something is drawn.
    canvas.getContext('2d')?.drawImage(canvas, 0, 0);
    const loaded = new Promise((resolve) => video.addEventListener('loadeddata', resolve));
    await Promise.all([video.play(), loaded]);
    video.pause();
    const shown = await toBatch(video, 64);
    // Video has half as many colours as pixels; in the middle of a field that does not matter.
    const expected = await toBatch(canvas, 64);
    const middle = (16 * 64 + 16) * 3;
    for (let channel = 0; channel < 3; channel++) {
      expect(
        Math.abs((shown[middle + channel] as number) - (expected[middle + channel] as number)),
      ).toBeLessThan(0.05);
    }
    expect(await model.classify(video)).toHaveLength(5);
  });

  test('what cannot be drawn is an error that says so', async () => {
    const waiting = new Image();
    await expect(model.classify(waiting)).rejects.toThrow(/without a size/);
    const broken = new Image();
    broken.src = 'data:image/png;base64,AAAA';
    await broken.decode().catch(() => undefined);
    await expect(model.classify(broken)).rejects.toThrow(/without a size/);
    const closed = await createImageBitmap(canvas);
    closed.close();
    await expect(model.classify(closed)).rejects.toThrow(/without a size/);
    const foreign = await imageOf('photo.png', null);
    await expect(model.classify(foreign)).rejects.toMatchObject({
      name: 'Pth2tfjsError',
      message: expect.stringMatching(/cannot be drawn: SecurityError/),
      hint: expect.stringMatching(/crossOrigin/),
    });
    await expect(model.classify(document.body as never)).rejects.toThrow(/is no image/);
  });
});

describe('files', SLOW_ON_GPU, () => {
  /** Loads it, and gives the bytes that were read for that. */
  async function load(source: GoogLeNetSource): Promise<number | undefined> {
    const told: number[] = [];
    const other = await loadGoogLeNet(source, {
      convert: { imageSize: 64 },
      onProgress: ({ loaded }) => told.push(loaded),
    });
    expect(other.imageSize).toBe(64);
    expect(other.provenance?.source).toMatchObject({ sha256: model.provenance?.source?.sha256 });
    other.dispose();
    return told.at(-1);
  }

  async function pick(path: string, directory: boolean): Promise<FileList> {
    const input = document.createElement('input');
    Object.assign(input, { type: 'file', id: 'picker', webkitdirectory: directory });
    document.body.append(input);
    await commands.pick('#picker', path);
    input.remove();
    return input.files as FileList;
  }

  test('of a folder that was picked: its model, and no other that lies deeper', async () => {
    const picked = await pick(await fetchText('picked'), true);
    expect(picked.length).toBeGreaterThan(10);
    expect(picked[0]?.webkitRelativePath).toMatch(/^googlenet\//);
    const files = await fetchModel('layers');
    const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
    expect(await load(picked)).toBe(bytes);
  });

  test('of a folder that was picked, as an array', SLOW, async () => {
    await load([...(await pick(await fetchText('picked'), true))]);
  });

  test('a checkpoint that was picked', async () => {
    const picked = await pick('golden/googlenet.pth.gz', false);
    expect(picked).toHaveLength(1);
    expect(await load(picked)).toBe(4_228_584);
  });

  test('the file alone of a checkpoint that was picked', SLOW, async () => {
    const [file] = await pick('golden/googlenet.pth.gz', false);
    await load(file as File);
  });

  test('through TensorFlow.js’s own handler', SLOW, async () => {
    const files = await fetchModel('layers');
    const all = files.map(({ name, bytes }) => new File([bytes as Uint8Array<ArrayBuffer>], name));
    await load(tf.io.browserFiles(all));
  });

  test('by a URL that is relative to the page', async () => {
    await load('/golden/googlenet.pth.gz');
    await expect(loadGoogLeNet('none/model.json')).rejects.toThrow(/./);
  });
});

test('a worker gives the same', SLOW_ON_GPU, async () => {
  const worker = new Worker(new URL('./app-worker.ts', import.meta.url), {
    type: 'module',
  });
  const answer = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
  });
  const image = await createImageBitmap(await imageOf('photo.png'));
  worker.postMessage({ source: urlOf('layers/model.json'), image });
  const expected = await model.classify(image);
  const actual = await answer;
  worker.terminate();
  expect(actual).toMatchObject(expected.map(({ index, className }) => ({ index, className })));
});
