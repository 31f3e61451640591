/** What is read is bounded while it comes, wherever it comes from. */
import { execFile } from 'node:child_process';
import { openAsBlob, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createGzip, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelArgument } from '../../cli/model-directory.js';
import { readSource } from '../../cli/source.js';
import { ByteCounter, read, readBytes } from '../../src/app/read.js';
import { loadGoogLeNet } from '../../src/index.js';
import { temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { saveTiny, type TinyModel, tinyJSON } from '../helpers/tiny-model.js';

const GIB = 2 ** 30;
const BOUND = 2 ** 20;
/** What Node, undici and the kernel may hold of a stream that nobody reads any more. */
const IN_FLIGHT = 2 ** 20;
const CHUNK = new Uint8Array(2 ** 16).fill(120);

const folder = temporaryFolder();
let server: Server;
let base: string;
let tiny: TinyModel;
const asked: string[] = [];
/** Bytes that were handed to the last connection, and its end. */
let sent = 0;
let closed: Promise<void>;

/** Sends as long as somebody reads. */
function feed(
  response: ServerResponse,
  bytes: number,
  sink: NodeJS.WritableStream = response,
): void {
  sent = 0;
  closed = new Promise((resolve) => response.on('close', resolve));
  const go = () => {
    while (sent < bytes && !response.destroyed) {
      sent += CHUNK.length;
      if (!sink.write(CHUNK)) return;
    }
    if (!response.destroyed) sink.end();
  };
  sink.on('drain', go);
  go();
}

const routes: Record<string, (response: ServerResponse) => void> = {
  '/announced': (response) => feed(response.setHeader('content-length', GIB + 1), GIB),
  '/announced-small': (response) => feed(response.setHeader('content-length', BOUND + 1), BOUND),
  '/chunked': (response) => feed(response, 4 * BOUND),
  '/endless': (response) => feed(response, Infinity),
  '/bomb': (response) => {
    response.setHeader('content-encoding', 'gzip');
    const zip = createGzip();
    zip.pipe(response);
    feed(response, Infinity, zip);
  },
  '/bomb-of-known-size': (response) => {
    const body = gzipSync(new Uint8Array(64 * BOUND));
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length });
    response.end(body);
  },
  '/just-right': (response) => feed(response, BOUND),
  '/huge/model.json': (response) => feed(response, Infinity),
  '/claims/model.json': (response) => {
    const weights = [{ name: 'w', shape: [2 ** 15, 2 ** 14], dtype: 'float32' }];
    response.end(
      JSON.stringify(tinyJSON(tiny, [], { weightsManifest: [{ paths: ['w.bin'], weights }] })),
    );
  },
  '/long/model.json': (response) => response.end(JSON.stringify(tinyJSON(tiny, ['endless.bin']))),
  '/long/endless.bin': (response) => feed(response, Infinity),
  '/longer/model.json': (response) => response.end(JSON.stringify(tinyJSON(tiny, ['a.bin']))),
  '/longer/a.bin': (response) => {
    const bytes = new Uint8Array(393).fill(200);
    response.end(bytes);
  },
};

beforeAll(async () => {
  tiny = await saveTiny();
  server = createServer(({ url = '' }, response) => {
    asked.push(url);
    const route = routes[url];
    if (route === undefined) response.writeHead(404).end();
    else route(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const counter = () => new ByteCounter({});

/** How the app API and the command line read a URL, here with a small bound. */
const READERS = [
  ['the app', (url: string, most: number) => read(url, counter(), most)],
  [
    'the command line',
    async (url: string, most: number) => (await readSource(url, { maxBytes: most })).bytes,
  ],
] as const;

describe.each(READERS)('a URL in %s', (_, readURL) => {
  test.each(['/chunked', '/endless', '/bomb', '/bomb-of-known-size'])(
    '%s is left as soon as it is too long',
    async (path) => {
      const error = await readURL(base + path, BOUND).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'limit' });
      const [, at] =
        / has at least (\d+) bytes, more than the limit of 1048576$/.exec(String(error)) ?? [];
      expect(Number(at)).toBeLessThan(BOUND + IN_FLIGHT);
      if (path === '/bomb-of-known-size') return;
      await closed;
      // Zeros and the like shrink a thousandfold on their way.
      if (path !== '/bomb') expect(sent).toBeLessThan(BOUND + 8 * IN_FLIGHT);
    },
  );

  test('one that says that it is too long is not read at all', async () => {
    for (const [path, most] of [
      ['/announced', GIB],
      ['/announced-small', BOUND],
    ] as const) {
      await expect(readURL(base + path, most)).rejects.toMatchObject({
        code: 'limit',
        message: expect.stringMatching(
          `at least ${most + 1} bytes, more than the limit of ${most}`,
        ),
      });
      await closed;
      expect(sent).toBeLessThan(8 * IN_FLIGHT);
    }
  });

  test('one of just that many bytes is read', async () => {
    expect(await readURL(`${base}/just-right`, BOUND)).toHaveLength(BOUND);
  });
});

describe('the app API', () => {
  /** A stream without end that notes when it is called off. */
  function endless() {
    const state = { pulled: 0, cancelled: false };
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => {
        state.pulled += CHUNK.length;
        controller.enqueue(CHUNK);
      },
      cancel: () => {
        state.cancelled = true;
      },
    });
    return { stream, state };
  }

  test('leaves a stream and a response as soon as they are too long', async () => {
    for (const wrap of [
      (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => stream,
      (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => new Response(stream),
    ]) {
      const { stream, state } = endless();
      await expect(readBytes(wrap(stream), counter(), BOUND)).rejects.toMatchObject({
        code: 'limit',
      });
      expect(state.cancelled).toBe(true);
      expect(state.pulled).toBeLessThan(BOUND + 8 * CHUNK.length);
    }
  });

  test('says of a stream what is wrong with it', async () => {
    const stream = (chunk: unknown) =>
      new ReadableStream({
        start: (controller) => {
          if (chunk instanceof Error) controller.error(chunk);
          else controller.enqueue(chunk);
        },
      });
    await expect(readBytes(stream('text'), counter())).rejects.toMatchObject({
      code: 'usage',
      message: 'the stream brings a string where bytes are wanted',
    });
    await expect(readBytes(stream(new Error('torn')), counter())).rejects.toMatchObject({
      code: 'io',
      message: 'the download of the stream broke off',
    });
  });

  test('refuses what says its size before it is touched', async () => {
    const path = join(folder, 'huge.pth');
    writeFileSync(path, '');
    truncateSync(path, GIB + 1);
    const blob = await openAsBlob(path);
    const untouched = { arrayBuffer: { value: () => expect.fail('it was read') } };
    const file = new File([], 'huge.pth');
    Object.defineProperties(blob, untouched);
    Object.defineProperties(file, { ...untouched, size: { value: GIB + 1 } });
    for (const source of [path, blob, file, [file], new Uint8Array(GIB + 1)]) {
      await expect(loadGoogLeNet(source)).rejects.toMatchObject({
        code: 'limit',
        message: expect.stringMatching(
          /at least 1073741825 bytes, more than the limit of 1073741824/,
        ),
      });
    }
    await expect(loadGoogLeNet(`${base}/announced`)).rejects.toMatchObject({ code: 'limit' });
  });

  test.skipIf(process.platform === 'win32')('does not wait for a device', async () => {
    await expect(loadGoogLeNet('/dev/zero')).rejects.toMatchObject({ code: 'io' });
  });

  test('takes no more memory than the bytes and a little', SLOW, async () => {
    const child = fileURLToPath(new URL('bounds-child.mjs', import.meta.url));
    const module = new URL('../../dist/src/index.js', import.meta.url).href;
    const run = async (path: string) => {
      const { stdout } = await promisify(execFile)(process.execPath, [child, module, base + path]);
      return JSON.parse(stdout);
    };
    const announced = await run('/announced');
    expect(announced).toMatchObject({ code: 'limit', loaded: 0 });
    // Node with TensorFlow.js's loaders takes some 70 MiB; the announced GiB would show.
    expect(announced.peak).toBeLessThan(200);
    for (const path of ['/endless', '/bomb']) {
      const { code, loaded, peak } = await run(path);
      expect(code).toBe('limit');
      expect(loaded).toBeLessThanOrEqual(1024);
      // Node itself, chunks that wait to be collected, and 64 MiB of a shorter buffer.
      expect(peak).toBeLessThan(1024 + 400);
    }
  });
});

describe('a model.json', () => {
  const OPENERS = [
    ['the app', loadGoogLeNet],
    ['the command line', (url: string) => openModelArgument(url, true)],
  ] as const;

  test.each(OPENERS)('without end is left at 64 MiB, in %s', async (_, open) => {
    await expect(open(`${base}/huge/model.json`)).rejects.toMatchObject({
      code: 'limit',
      message: expect.stringMatching(/more than the limit of 67108864/),
    });
    await closed;
  });

  test.each(OPENERS)(
    'that claims 2 GiB of weights is refused before any is asked for, in %s',
    async (_, open) => {
      asked.length = 0;
      await expect(open(`${base}/claims/model.json`)).rejects.toMatchObject({
        code: 'limit',
        message: expect.stringMatching(
          /describes 2147483648 bytes of weights; the bound is 1073741824/,
        ),
      });
      expect(asked).toEqual(['/claims/model.json']);
    },
  );

  test.each(OPENERS)('whose weight file is longer than it says, in %s', async (_, open) => {
    await expect(open(`${base}/long/model.json`)).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(/longer file as endless\.bin than the 392 bytes/),
    });
    await closed;
    expect(sent).toBeLessThan(16 * IN_FLIGHT);
    await expect(open(`${base}/longer/model.json`)).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(/393 bytes.*describes 392; a\.bin has 393 in place of 392/),
    });
  });
});
