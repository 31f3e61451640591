/** Takes the advice that a command gives. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { GOLDEN, pth2tfjs, temporaryFolder } from '../helpers/cli.js';

export const tmp = temporaryFolder();
export const at = (name: string) => join(tmp, name);

/** Two images of 64 pixels, transform_input off; two of 224, on. */
export const small = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
export const transformed = join(GOLDEN, 'googlenet.transform_input.golden.pth.gz');
export const SIZED = ['--image-size', '64', '--no-transform-input'];

export interface Advice {
  /** Makes what it is called on. */
  readonly make?: () => Promise<unknown>;
  /** What went before. */
  readonly given?: readonly (readonly string[])[];
  readonly call: readonly string[];
  readonly status: number;
  /** What it says, anywhere; its groups go to `next`. */
  readonly says: RegExp;
  /** The call that takes the advice: it must succeed. */
  readonly next: (found: readonly string[]) => readonly string[];
}

export async function take({ make, given = [], call, status, says, next }: Advice): Promise<void> {
  await make?.();
  for (const args of given) expect(await pth2tfjs(...args)).toMatchObject({ status: 0 });
  const run = await pth2tfjs(...call);
  expect([run.status, run.stderr]).toEqual([status, expect.any(String)]);
  const found = says.exec(run.stdout + run.stderr);
  expect(run.stdout + run.stderr).toMatch(says);
  const { status: good, stderr } = await pth2tfjs(...next([...(found ?? [])]));
  expect([good, stderr]).toEqual([0, stderr]);
}
