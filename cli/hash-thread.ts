import { Worker } from 'node:worker_threads';
import { sha256 as portable } from '../src/base/sha256.js';
import { crc32 as portableCrc32 } from '../src/checkpoint/container/crc32.js';
import { CRC32_OPTION } from './crc32.js';

/**
 * SHA-256 and CRC-32 of a checkpoint on a thread of its own, while this one reads what it holds. Web Crypto,
 * too, hashes on another thread, but copies all bytes for that on this one: of 52 MB, for as long as reading
 * them took.
 */

/**
 * Text, so that the thread starts without loading a module. Whoever asks for checksums waits for them; so they
 * are computed between two pieces of what is hashed. With the digest the thread ends and gives its memory back,
 * also while this one is busy.
 */
const THREAD = `
const { parentPort, receiveMessageOnPort } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const { crc32 } = require('node:zlib');
const PIECE = 2 ** 21;
const view = (buffer, start, end) => new Uint8Array(buffer, start, end - start);
function hash({ buffer }) {
  const hash = createHash('sha256');
  for (let at = 0; at < buffer.byteLength; at += PIECE) {
    for (let next; (next = receiveMessageOnPort(parentPort)) !== undefined; ) answer(next.message);
    hash.update(view(buffer, at, Math.min(at + PIECE, buffer.byteLength)));
  }
  return hash.digest('hex');
}
const check = ({ buffer, ranges }) => ranges.map(([start, end]) => crc32(view(buffer, start, end)));
const answer = (task) => {
  parentPort.postMessage({ id: task.id, answer: task.ranges ? check(task) : hash(task) });
  if (!task.ranges) parentPort.close();
};
parentPort.on('message', answer);
`;

interface Task {
  readonly buffer: SharedArrayBuffer;
  /** Of which CRC-32 is wanted; absent: SHA-256 of all. */
  readonly ranges?: readonly (readonly [start: number, end: number])[];
}

/** A thread, and who waits for it. */
class HashThread {
  private readonly waiting = new Map<number, (answer: unknown) => void>();
  private readonly worker = new Worker(THREAD, { eval: true, execArgv: [] });
  private tasks = 0;
  private ended = false;

  constructor() {
    this.worker.on('message', ({ id, answer }) => this.settle(id, answer));
    // Where there is no memory for another thread, it is done without; an error is followed by the exit.
    this.worker.on('error', () => {});
    this.worker.on('exit', () => {
      this.ended = true;
      for (const id of [...this.waiting.keys()]) this.settle(id, undefined);
    });
    // Listening, too, makes the process wait.
    this.worker.unref();
  }

  /** Undefined where the thread broke down, or has ended. */
  async ask(task: Task): Promise<unknown> {
    if (this.ended) return undefined;
    const id = this.tasks++;
    // The process waits for what it has asked for, but for no thread that has nothing to do.
    this.worker.ref();
    this.worker.postMessage({ ...task, id });
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  private settle(id: number, answer: unknown): void {
    this.waiting.get(id)?.(answer);
    this.waiting.delete(id);
    if (this.waiting.size === 0) this.worker.unref();
  }
}

let thread: HashThread | undefined;
const digests = new WeakMap<ArrayBufferLike, Promise<string | undefined>>();

/** Starts the thread, which takes as long as reading 52 MB, before there is something to hash. */
export function prepareHashing(): void {
  thread ??= new HashThread();
}

/** As lowercase hex; of the same memory once. Memory that threads cannot share is hashed as anywhere. */
export function sha256(bytes: Uint8Array): Promise<string | undefined> {
  const { buffer } = bytes;
  if (!(buffer instanceof SharedArrayBuffer)) return portable(bytes);
  if (bytes.length < buffer.byteLength) return portable(bytes.slice());
  const digest = digests.get(buffer) ?? hashShared(bytes, buffer);
  digests.set(buffer, digest);
  return digest;
}

async function hashShared(
  bytes: Uint8Array,
  buffer: SharedArrayBuffer,
): Promise<string | undefined> {
  prepareHashing();
  const hashing = thread;
  const digest = await hashing?.ask({ buffer });
  if (thread === hashing) thread = undefined;
  return typeof digest === 'string' ? digest : portable(bytes.slice());
}

const { crc32 = portableCrc32 } = CRC32_OPTION;

/** CRC-32 of each of these parts of a file. */
export async function checksums(parts: readonly Uint8Array[]): Promise<readonly number[]> {
  const here = () => parts.map((part) => crc32(part));
  const buffer = parts[0]?.buffer;
  const shared = buffer instanceof SharedArrayBuffer && parts.every((p) => p.buffer === buffer);
  if (!shared || thread === undefined) return here();
  const ranges = parts.map(({ byteOffset, length }) => [byteOffset, byteOffset + length] as const);
  const found = await thread.ask({ buffer, ranges });
  return Array.isArray(found) ? found : here();
}
