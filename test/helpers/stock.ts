import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Golden, NamedBytes } from '../../src/index.js';

/** What stock-loader.mjs tells of a model. */
export interface StockReport {
  readonly backend: string;
  readonly shape: readonly number[];
  readonly logits: readonly number[];
  /** The layers, or the nodes of a graph. */
  readonly layers: readonly { readonly name: string; readonly type: string }[];
  readonly metadata: { readonly pth2tfjs: Readonly<Record<string, unknown>> };
}

/** Loads a model over HTTP and runs it, in a process that has nothing but TensorFlow.js. */
export async function runStockLoader(
  files: readonly NamedBytes[],
  images: Float32Array | Uint8Array,
): Promise<StockReport> {
  const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-stock-'));
  try {
    const path = join(folder, 'images.bin');
    await writeFile(path, images);
    return (await runStock('stock-loader.mjs', files, path)) as StockReport;
  } finally {
    rmSync(folder, { recursive: true });
  }
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
  return (await runStock('stock-trainer.mjs', files, outFolder)) as StockTraining;
}

async function runStock(
  script: string,
  files: readonly NamedBytes[],
  path: string,
): Promise<unknown> {
  const server = createServer(({ url = '' }, response) => {
    const bytes = files.find(({ name }) => `/${name}` === url)?.bytes;
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const file = fileURLToPath(new URL(script, import.meta.url));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.json`;
    const options = { maxBuffer: 2 ** 26 };
    const { stdout } = await promisify(execFile)(process.execPath, [file, url, path], options);
    return JSON.parse(stdout);
  } finally {
    server.close();
  }
}

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
