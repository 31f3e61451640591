/**
 * Serves what the tests of the app API load, to Node and to browsers, for which it is another origin.
 *
 * - `/golden/…`: the golden folder
 * - `/decoded/…`: a photo of golden/photos as RGB, which classify.test.ts finds to be Pillow's
 * - `/layers/…` and other VARIANTS: the bundled checkpoint, converted for images of 64x64
 * - `/versioned/…`: the first of these, for those only who ask for `?v=2`
 * - `/gzipped`: the checkpoint, compressed on its way
 * - `/picked`: the path of a folder for a folder picker, with a model and other things in it
 * - `/stalls`, `/breaks`: some bytes of a model.json, and then nothing, or the end of the connection
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, gunzipSync } from 'node:zlib';
import type { TestProject } from 'vitest/node';
import type { ConvertOptions, NamedBytes } from '../../src/index.js';

const GOLDEN = fileURLToPath(new URL('../../golden/', import.meta.url));
const golden = (path: string): Uint8Array => readFileSync(join(GOLDEN, path));

const VARIANTS: Readonly<Record<string, ConvertOptions>> = {
  layers: {},
  labelled: { labels: Array.from({ length: 1000 }, (_, index) => `kept ${index}`) },
  graph: { format: 'graph' },
  pixels: { format: 'graph', input: 'pixels' },
  onnx: { format: 'onnx' },
};
const converted = new Map<string, Promise<readonly NamedBytes[]>>();

async function convert(variant: string): Promise<readonly NamedBytes[]> {
  const { convertCheckpoint } = await import('../../src/convert.js');
  const options = { imageSize: 64, transformInput: false, crc32, ...VARIANTS[variant] };
  return (await convertCheckpoint(gunzipSync(golden('googlenet.pth.gz')), options)).files;
}

function filesOf(variant: string): Promise<readonly NamedBytes[]> {
  const files = converted.get(variant) ?? convert(variant);
  converted.set(variant, files);
  return files;
}

async function modelFile(variant: string, name: string): Promise<Uint8Array | undefined> {
  return (await filesOf(variant)).find((file) => file.name === name)?.bytes;
}

/** The model in `googlenet/new`, and deeper down things that must not be taken for it. */
async function writeFolder(): Promise<string> {
  const folder = join(temporary(), 'googlenet');
  mkdirSync(join(folder, 'new', 'old'), { recursive: true });
  for (const { name, bytes } of await filesOf('layers')) {
    writeFileSync(join(folder, 'new', name), bytes);
    writeFileSync(join(folder, 'new', 'old', name), 'old');
  }
  writeFileSync(join(folder, 'notes.txt'), 'notes');
  return folder;
}

const temporaries: string[] = [];
function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-app-'));
  temporaries.push(folder);
  return folder;
}

async function find(path: string, query: string): Promise<Uint8Array | undefined> {
  const [, room = '', rest = ''] = path.split(/^\/([^/]+)\/?/);
  if (room in VARIANTS) return modelFile(room, rest);
  if (room === 'versioned') return query === '?v=2' ? modelFile('layers', rest) : undefined;
  if (room === 'golden') return golden(rest);
  if (room === 'gzipped') return golden('googlenet.pth.gz');
  if (room === 'decoded') {
    const { decodeImage } = await import('../../cli/decode-image.js');
    return new Uint8Array((await decodeImage(golden(`photos/${basename(rest)}`))).data);
  }
  if (room === 'picked') return new TextEncoder().encode(await writeFolder());
  return undefined;
}

async function answer(url: URL, response: ServerResponse): Promise<void> {
  response.setHeader('access-control-allow-origin', '*');
  if (url.pathname === '/stalls' || url.pathname === '/breaks') {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('{"format', () => {
      if (url.pathname === '/breaks') response.destroy();
    });
    return;
  }
  const bytes = await find(url.pathname, url.search).catch(() => undefined);
  if (url.pathname === '/gzipped') response.setHeader('content-encoding', 'gzip');
  response.setHeader('content-length', bytes?.length ?? 0);
  response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
}

/** Vitest's global setup; the tests `inject('base')`. */
export default async function setup(project: TestProject): Promise<() => void> {
  const server = createServer(({ url = '/' }, response) => {
    void answer(new URL(url, 'http://127.0.0.1'), response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('base', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return () => {
    server.closeAllConnections();
    server.close();
    for (const folder of temporaries) rmSync(folder, { recursive: true, force: true });
  };
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly base: string;
    /** The best backend that starts where the test runs. */
    readonly backend: 'wasm' | 'webgl' | 'webgpu';
  }
}
