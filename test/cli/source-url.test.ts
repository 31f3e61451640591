import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProgressSink } from '../../cli/progress.js';
import { readSource } from '../../cli/source.js';
import { compilePackage } from './compile.js';
import { failureOf, pattern } from './source.js';

describe('readSource with a URL', () => {
  const content = pattern(3_000_000);
  const logins: (string | undefined)[] = [];
  let server: Server;
  let base: string;
  let stalled: ServerResponse;
  let held: ServerResponse;

  const routes: Record<string, (response: ServerResponse, request: IncomingMessage) => void> = {
    '/ok/googlenet-1378be20.pth': (response) => {
      response.setHeader('content-length', content.length).end(content);
    },
    '/chunked': (response) => {
      response.write(content.subarray(0, 1_500_000));
      response.end(content.subarray(1_500_000));
    },
    '/zipped': (response) => {
      const body = gzipSync(content);
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length });
      response.end(body);
    },
    '/zipped-to-more': (response) => {
      const body = gzipSync('x');
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length });
      response.end(body);
    },
    '/moved-1378be20.pth': (response) => {
      response.writeHead(302, { location: '/ok/googlenet-1378be20.pth' }).end();
    },
    '/moved-away': (response) => response.writeHead(302, { location: '/absent' }).end(),
    '/moved-to-file': (response) => response.writeHead(302, { location: 'file:///x' }).end(),
    '/short': (response) => cutOff(response.setHeader('content-length', 400 * 2 ** 20)),
    '/short-chunked': (response) => cutOff(response),
    '/stalled': (response) => {
      stalled = response;
      response.setHeader('content-length', 1000).write('x');
    },
    '/silent': () => {},
    '/private': (response, request) => {
      logins.push(request.headers.authorization);
      response.writeHead(request.headers.authorization ? 200 : 401).end('open');
    },
    '/endless': (response) => {
      const feed = () => {
        while (!response.destroyed && response.write(content));
      };
      response.on('drain', feed);
      feed();
    },
    '/held': (response) => {
      held = response;
      response.writeHead(500).write('no end');
    },
  };

  /** Sends 100 bytes and closes once they are out. */
  function cutOff(response: ServerResponse): void {
    response.write(new Uint8Array(100), () => response.socket?.end());
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = new URL(request.url ?? '', base).pathname;
      const route = routes[path];
      if (route === undefined) response.writeHead(404).end('no');
      else route(response, request);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it.each([
    ['/ok/googlenet-1378be20.pth?token=x', 'googlenet-1378be20.pth'],
    ['/chunked', 'chunked'],
    ['/zipped', 'zipped'],
    ['/moved-1378be20.pth#part', 'moved-1378be20.pth'],
  ])('reads %s', async (path, name) => {
    const source = await readSource(base + path);
    expect(source.name).toBe(name);
    expect(Buffer.compare(source.bytes, content)).toBe(0);
    expect(source.bytes.buffer.byteLength).toBe(content.length);
  });

  it.each([
    ['/absent', 'HTTP 404 Not Found', '/absent'],
    ['/absent?token=secret', 'HTTP 404 Not Found', '/absent?...'],
    ['/moved-away', 'HTTP 404 Not Found', '/moved-away, redirected to BASE/absent'],
    ['/held', 'HTTP 500 Internal Server Error', '/held'],
  ])('names the status of %s', async (path, status, shown) => {
    const { code, message } = await failureOf(base + path);
    const text = `the server answered ${status} for ${base}${shown.replace('BASE', base)}`;
    expect([code, message]).toEqual(['io', text]);
  });

  it('does not compare the length of a compressed body', async () => {
    expect((await readSource(`${base}/zipped-to-more`)).bytes).toEqual(new Uint8Array([120]));
  });

  it('closes the connection of an answer that it does not read', async () => {
    await failureOf(`${base}/held`);
    if (!held.closed) await once(held, 'close');
  });

  it('says how much of a body came', async () => {
    const { code, message } = await failureOf(`${base}/short`);
    expect(code).toBe('truncated');
    expect(message).toMatch(/^only 100 of 419430400 bytes of http.*\/short came: .*UND_ERR_SOCKET/);
  });

  it('calls a reset of a body with a length truncated, too', async () => {
    const update = () => stalled.socket?.resetAndDestroy();
    const progress: ProgressSink = { start() {}, update, end() {} };
    const { code, message } = await failureOf(`${base}/stalled`, { progress });
    expect(code).toBe('truncated');
    expect(message).toMatch(/^only 1 of 1000 bytes .*connection reset by peer \(ECONNRESET\)$/);
  });

  it('names the reason when a body without a length breaks off', async () => {
    const { code, message } = await failureOf(`${base}/short-chunked`);
    expect(code).toBe('io');
    expect(message).toMatch(/^cannot download .*UND_ERR_SOCKET/);
  });

  it('compares the length itself, too', async () => {
    const headers = { 'content-length': '10' };
    vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('four', { headers }));
    const { code, message } = await failureOf(`${base}/quiet`);
    expect([code, message]).toEqual(['truncated', `only 4 of 10 bytes of ${base}/quiet came`]);
  });

  it('is patient with a server that sends something every forty seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let elapsed = 0;
    const update = () => {
      vi.advanceTimersByTime(40_000);
      elapsed += 40;
    };
    await readSource(`${base}/chunked`, { progress: { start() {}, update, end() {} } });
    expect(elapsed).toBeGreaterThan(60);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives up on a server that falls silent', async () => {
    const { code, message } = await failureOf(`${base}/stalled`, { idleTimeoutMs: 50 });
    expect(code).toBe('io');
    // On a busy machine the first byte may take longer than the timeout.
    expect(message).toMatch(/^no data for 0\.05 s after [01] bytes of http.*\/stalled$/);
    const silent = await failureOf(`${base}/silent`, { idleTimeoutMs: 50 });
    expect(silent.message).toBe(`no data for 0.05 s after 0 bytes of ${base}/silent`);
  });

  it('refuses more than the limit, announced or not', async () => {
    const maxBytes = 2_999_999;
    const announced = await failureOf(`${base}/ok/googlenet-1378be20.pth`, { maxBytes });
    expect(announced.code).toBe('limit');
    expect(announced.message).toContain('at least 3000000 bytes, more than the limit of 2999999');
    const early = await failureOf(`${base}/stalled`, { maxBytes: 999 });
    expect(early.message).toContain('at least 1000 bytes, more than the limit of 999');
    for (const path of ['/chunked', '/zipped', '/endless']) {
      expect((await failureOf(base + path, { maxBytes })).code).toBe('limit');
    }
    expect((await readSource(`${base}/chunked`, { maxBytes: 3_000_000 })).bytes.length).toBe(3e6);
  });

  it('names the reason when there is no connection', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const { code, message } = await failureOf(`http://127.0.0.1:${port}/model.pth`);
    expect(code).toBe('io');
    expect(message).toContain('/model.pth: connection refused (ECONNREFUSED)');
    expect((await failureOf('http://nosuch.invalid/model.pth')).message).toMatch(/E[A-Z_]+/);
  });

  it('passes the reason of fetch on', async () => {
    const { code, message } = await failureOf(`${base}/moved-to-file`);
    expect(code).toBe('io');
    expect(message).toContain('URL scheme must be a HTTP(S) scheme');
  });

  it.each([
    'http://',
    'https://exa mple/model.pth',
    'http://user:secret@host:port/x',
    'ftp://host/model.pth',
    's3://bucket/model.pth',
  ])('refuses the URL %s', async (url) => {
    const { code, message } = await failureOf(url);
    expect(code).toBe('usage');
    expect(message).not.toContain('secret');
  });

  it('sends credentials but does not print them', async () => {
    const withUser = base.replace('//', '//user:se%2Fcret@');
    const source = await readSource(`${withUser}/private`);
    expect(Buffer.from(source.bytes).toString()).toBe('open');
    expect(logins).toEqual([`Basic ${Buffer.from('user:se/cret').toString('base64')}`]);
    for (const path of ['/absent', '/short', '/short-chunked', '/moved-away']) {
      const { message, cause } = await failureOf(withUser + path);
      expect(`${message} ${String(cause)}`).not.toMatch(/cret/);
    }
  });

  it.each([
    ['', '127.0.0.1'],
    ['/folder/', '127.0.0.1'],
    ['/my%20model.pth', 'my model.pth'],
    ['/a%2F..%2Fb.pth', 'a%2F..%2Fb.pth'],
    ['/a%1b.pth', 'a%1b.pth'],
    ['/100%.pth', '100%.pth'],
  ])('names what comes from %j', async (path, name) => {
    const { pathname } = new URL(base + path);
    routes[pathname] = (response) => response.end('x');
    expect((await readSource(base + path)).name).toBe(name);
    delete routes[pathname];
  });

  it('reports progress, also of a download that fails', async () => {
    const calls: (string | number | undefined)[][] = [];
    const progress: ProgressSink = {
      start: (total) => calls.push(['start', total]),
      update: (received) => calls.push(['update', received]),
      end: () => calls.push(['end']),
    };
    await readSource(`${base}/ok/googlenet-1378be20.pth`, { progress });
    expect(calls[0]).toEqual(['start', 3_000_000]);
    expect(calls.slice(-2)).toEqual([['update', 3_000_000], ['end']]);
    calls.length = 0;
    await failureOf(`${base}/short-chunked`, { progress });
    expect(calls).toEqual([['start', undefined], ['update', 100], ['end']]);
  });

  it('leaves nothing behind that keeps the process alive', async () => {
    const compiled = compilePackage();
    const script = fileURLToPath(new URL('source-child.mjs', import.meta.url));
    const outcome = async (path: string) => {
      // A leaked idle timer would hold the child for a minute, an open connection forever.
      const child = spawn(process.execPath, [script, join(compiled, 'cli/source.js'), base + path]);
      let text = '';
      child.stdout.on('data', (data) => {
        text += data;
      });
      child.stderr.pipe(process.stderr);
      expect(await once(child, 'close')).toEqual([0, null]);
      return text.trim();
    };
    try {
      const paths = ['/ok/googlenet-1378be20.pth', '/held', '/short'];
      expect(await Promise.all(paths.map(outcome))).toEqual(['read 3000000', 'io', 'truncated']);
    } finally {
      rmSync(compiled, { recursive: true });
    }
  }, 30_000);
});
