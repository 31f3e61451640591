import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { peakMemory } from '../peak.js';

const IMAGE = 3 * 224 * 224;

/**
 * What a contender does: says what it is, then answers each line on stdin. `{ images, logits }` asks
 * for one run of a batch; the answer is `{ ms, cpu, peak }`, milliseconds from pixels in memory to logits
 * in memory and of all processors together, and bytes; with the logits if they were asked for.
 * @param file float32 images, which a batch takes from the start, over and over
 * @param run gets a batch and the number of its images, gives the logits
 */
export async function serve(description, file, run) {
  const images = new Float32Array(readFileSync(file).buffer);
  say(description);
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const batch = takeBatch(images, request.images);
    const before = process.cpuUsage();
    const started = performance.now();
    const logits = await run(batch, request.images);
    const ms = performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    const cpu = (user + system) / 1000;
    say({ ms, cpu, peak: peakMemory(), ...(request.logits ? { logits: Array.from(logits) } : {}) });
  }
}

function takeBatch(images, count) {
  const batch = new Float32Array(count * IMAGE);
  for (let at = 0; at < batch.length; at += images.length) {
    batch.set(images.subarray(0, batch.length - at), at);
  }
  return batch;
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
