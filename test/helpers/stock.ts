import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import type { Golden, NamedBytes } from '../../src/index.js';
import { temporaryFolder } from './cli.js';

/** What stock-loader.mjs tells of a model. */
export interface StockReport {
  readonly backend: string;
  readonly shape: readonly number[];
  readonly logits: readonly number[];
  /** The layers, or the nodes of a graph. */
  readonly layers: readonly { readonly name: string; readonly type: string }[];
  readonly metadata: { readonly pth2tfjs: Readonly<Record<string, unknown>> };
}

/** Runs a model on images: NHWC, as the model takes them. */
export type StockLoader = (
  files: readonly NamedBytes[],
  images: Float32Array | Uint8Array,
) => Promise<StockReport>;

/** A process that has nothing but TensorFlow.js, for all tests of a file: it loads models over HTTP and runs them. */
export function startStockLoader(): StockLoader {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [pathOf('stock-loader.mjs')]);
  const problems = text(child.stderr);
  const reports = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  afterAll(() => {
    child.kill();
  });
  return async (files, images) => {
    const path = join(folder, 'images.bin');
    await writeFile(path, images);
    return served(files, async (url) => {
      child.stdin.write(`${JSON.stringify({ url, path })}\n`);
      const { value, done } = await reports.next();
      if (done) throw new Error(await problems);
      return JSON.parse(value) as StockReport;
    });
  };
}

/** What stock-trainer.mjs tells. */
export interface StockTraining {
  /** Before each step. */
  readonly losses: readonly number[];
  /** NHWC, `[2, size, size, 3]`. */
  readonly images: readonly number[];
  /** What the trained model makes of the images. */
  readonly logits: readonly number[];
}

/**
 * Loads a trainable model over HTTP, trains it and saves it, in a process that has nothing but
 * TensorFlow.js.
 */
export async function runStockTrainer(
  files: readonly NamedBytes[],
  outFolder: string,
): Promise<StockTraining> {
  return served(files, async (url) => {
    const args = [pathOf('stock-trainer.mjs'), url, outFolder];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
    return JSON.parse(stdout) as StockTraining;
  });
}

/** Does something with the URL of a model.json, while there is one. */
async function served<T>(
  files: readonly NamedBytes[],
  use: (url: string) => Promise<T>,
): Promise<T> {
  const server = createServer(({ url = '' }, response) => {
    const bytes = files.find(({ name }) => `/${name}` === url)?.bytes;
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/model.json`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const pathOf = (script: string) => fileURLToPath(new URL(script, import.meta.url));

/** The images of a golden file as NHWC, reordered here without the package's help. */
export function channelsLast({
  input,
  shape: [count, channels, height, width],
}: Golden): Float32Array {
  const out = new Float32Array(input.length);
  const pixels = height * width;
  for (let i = 0; i < count * pixels; i++) {
    const [image, pixel] = [Math.floor(i / pixels), i % pixels];
    for (let c = 0; c < channels; c++) {
      out[i * channels + c] = input[(image * channels + c) * pixels + pixel] as number;
    }
  }
  return out;
}

/** The 8-bit pixels that the images of a golden file were, NHWC; fails where they were none. */
export function pixelsOf(golden: Golden): Uint8Array {
  const [mean, std] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ] as const;
  return Uint8Array.from(channelsLast(golden), (value, i) => {
    const pixel = 255 * (value * (std[i % 3] as number) + (mean[i % 3] as number));
    const whole = Math.round(pixel);
    // float32 keeps 24 bits, of which a pixel takes 8.
    if (Math.abs(pixel - whole) > 1e-4 || whole < 0 || whole > 255) throw new Error(`${pixel}`);
    return whole;
  });
}
