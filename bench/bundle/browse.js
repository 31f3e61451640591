import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

const CHROMIUM = process.env.PTH2TFJS_CHROMIUM ?? '/usr/bin/chromium';
const PATIENCE = 120_000;
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };
const PAGE = `<!doctype html><img src="photo.png"><script type="module">
  import { classify } from './app.js';
  const image = document.querySelector('img');
  const done = (body) => fetch('/done', { method: 'POST', body: JSON.stringify(body) });
  try { await image.decode(); await done(await classify(image)); } catch (error) { await done(String(error)); }
</script>`;

export const hasChromium = existsSync(CHROMIUM);

/**
 * Opens a page that classifies `photo.png` with the bundle's `app.js`, in headless Chromium.
 * @param files what the server has, by name without folders: the bundle, the model, the photo
 * @returns what `classify` gave, and the names of the files that the page fetched
 */
export async function browse(files) {
  const fetched = new Set();
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') return finish(JSON.parse(await text(request)));
    const name = basename(request.url);
    const body = name === '' ? PAGE : files.get(name);
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': typeOf(name) }).end(body);
    fetched.add(name);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const profile = mkdtempSync(join(tmpdir(), 'pth2tfjs-chromium-'));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const browser = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: 'ignore',
    detached: true,
  });
  const died = once(browser, 'exit').then(() => Promise.reject(new Error('Chromium stopped')));
  const late = delay(PATIENCE, null, { ref: false }).then(() =>
    Promise.reject(new Error('the page gave no answer')),
  );
  try {
    return { result: await Promise.race([finished, died, late]), fetched };
  } finally {
    // All of its processes, which would else still write into the folder.
    if (browser.exitCode === null) process.kill(-browser.pid, 'SIGKILL');
    await died.catch(() => {});
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

function typeOf(name) {
  return TYPES[extname(name) || '.html'] ?? 'application/octet-stream';
}
