import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runPython } from '../helpers/python.js';

/** Random networks by torchvision's own GoogLeNet, which test/helpers/oracle.py draws. */

export const ORACLE = 'test/helpers/oracle.py';

/** Seeds that were tried out: of others, one in some ten thousand may exceed the bound, as a log-normal fit has it. */
export const TRIED = [1, 2, 3, 655_469_971, 892_143_252, 1_634_299_019];

/** A case as oracle.py records it; files by their names. */
export interface Case {
  readonly name: string;
  readonly checkpoint: string;
  /** The images and the logits that PyTorch gives in the network's type. */
  readonly golden: string;
  /** The logits that it gives in float64. */
  readonly float64: string;
  readonly container: 'zip' | 'legacy';
  readonly imageSize: number;
  readonly numClasses: number;
  readonly branch3Kernel: 3 | 5;
  readonly transformInput: boolean;
  readonly path: string;
  readonly prefix: string;
  /** Paths of the state dicts that fit, where a reader cannot know which one is meant. */
  readonly candidates: readonly string[];
  readonly ignored: readonly string[];
  readonly faults: readonly { readonly fault: string; readonly checkpoint: string }[];
  readonly parameters: { readonly main: number; readonly aux: number };
  /** What `print(model)` shows. */
  readonly print: string;
  /** Relative distance of PyTorch's float32 logits from its float64 logits. */
  readonly floor: number;
}

/** Draws a case by its name; its files go into `folder`. */
export async function draw(
  python: string,
  name: string,
  seed: number,
  folder: string,
): Promise<Case> {
  await runPython(python, ORACLE, name, '--seed', String(seed), '--out', folder);
  return JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'));
}

/** How a case is to be converted. */
export function optionsOf({ candidates, path, transformInput, imageSize }: Case) {
  return { key: candidates.length > 0 ? path : undefined, transformInput, imageSize };
}
