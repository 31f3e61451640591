import { Worker } from 'node:worker_threads';
import { sha256 as portable } from '../src/base/sha256.js';

/**
 * SHA-256 on a thread of its own, while this one reads what it hashes. Web Crypto, too, hashes on another
 * thread, but copies all bytes for that on this one: of 52 MB, for as long as reading them took.
 */

/** Text, so that the thread starts without loading a module: it then hashes what it is sent, once. */
const THREAD = `
const { parentPort } = require('node:worker_threads');
const { createHash } = require('node:crypto');
parentPort.once('message', (bytes) => {
  parentPort.postMessage(createHash('sha256').update(bytes).digest('hex'));
});
`;

let waiting: Worker | undefined;
const digests = new WeakMap<ArrayBufferLike, Promise<string | undefined>>();

/** Starts the thread, which takes as long as reading 52 MB, before there is something to hash. */
export function prepareHashing(): void {
  waiting ??= startThread();
}

function startThread(): Worker {
  const worker = new Worker(THREAD, { eval: true, execArgv: [], stdin: false });
  // Whoever waits for a digest hears of it, too.
  worker.on('error', () => {});
  worker.unref();
  return worker;
}

/** As lowercase hex; of the same memory once. Memory that threads cannot share is hashed as anywhere. */
export function sha256(bytes: Uint8Array): Promise<string | undefined> {
  const { buffer } = bytes;
  if (!(buffer instanceof SharedArrayBuffer) || bytes.length < buffer.byteLength) {
    return portable(bytes);
  }
  const digest = digests.get(buffer) ?? hashOnThread(bytes);
  digests.set(buffer, digest);
  return digest;
}

function hashOnThread(bytes: Uint8Array): Promise<string | undefined> {
  const worker = waiting ?? startThread();
  waiting = undefined;
  // The process waits for what it is sent, but for no thread that has nothing to do.
  worker.ref();
  const digest = new Promise<string | undefined>((resolve) => {
    worker.once('message', resolve);
    // Where there is no memory for another thread, it is done without.
    worker.once('error', () => resolve(portable(bytes.slice())));
    worker.postMessage(bytes);
  });
  return digest.finally(() => void worker.terminate());
}
