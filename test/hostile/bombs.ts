/** Reads one file in a process of its own, which can be stopped and whose memory is its own. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** One file read in a process of its own, which can be stopped and whose memory is its own. */
interface Run {
  readonly outcome: string;
  readonly megabytes: number;
}

const CHILD = `
  import { readFileSync } from 'node:fs';
  const load = (name) => import(process.argv[1] + name + '.js');
  const { readCheckpoint } = await load('checkpoint/read-checkpoint');
  const { listTensors, findStateDicts } = await load('checkpoint/state-dict/find-state-dict');
  const { toFloat32 } = await load('checkpoint/tensor/float32');
  const { NETWORK_KEYS } = await load('networks/match');
  const { isPth2tfjsError } = await load('base/errors');
  let outcome;
  try {
    const { value } = await readCheckpoint(readFileSync(process.argv[2]));
    findStateDicts(value, NETWORK_KEYS);
    for (const tensor of listTensors(value).values()) toFloat32(tensor);
    outcome = 'ok';
  } catch (error) {
    outcome = isPth2tfjsError(error) ? error.code : 'untagged ' + error;
  }
  let status = '';
  try { status = readFileSync('/proc/self/status', 'utf8'); } catch {}
  const peak = Number(/VmHWM:\\s*(\\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS);
  process.stdout.write(JSON.stringify({ outcome, megabytes: peak / 1024 }));
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-bombs-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

export function readApart(bytes: Uint8Array, milliseconds: number): Promise<Run> {
  const file = join(folder, `${createHash('sha256').update(bytes).digest('hex')}.pth`);
  writeFileSync(file, bytes);
  const modules = new URL('../../dist/src/', import.meta.url).href;
  const args = ['--max-old-space-size=1024', '--input-type=module', '-e', CHILD, modules, file];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: milliseconds }, (error, stdout) => {
      if (stdout !== '') resolve(JSON.parse(stdout));
      else reject(new Error(`no answer within ${milliseconds} ms`, { cause: error }));
    });
  });
}

/**
 * What one pickle may take. Node itself takes 60 to 80 MB; of twenty fillings of MAX_OPCODES, a set of
 * empty dicts takes most: up to 213 MB were measured, and half as much more is left for other versions.
 */
export const PICKLE_MEGABYTES = 320;
/** The same for the pickles of a legacy file, three of which are in memory at once: up to 430 MB were measured. */
export const LEGACY_MEGABYTES = 640;
