/** Files that many tests start from, made once before them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { TestProject } from 'vitest/node';

const PACKED = new URL('../../golden/googlenet.pth.gz', import.meta.url);

/** Vitest's global setup; the tests reach the files through bundled.ts. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'pth2tfjs-fixtures-'));
  const checkpoint = join(folder, 'googlenet.pth');
  writeFileSync(checkpoint, gunzipSync(readFileSync(PACKED)));
  project.provide('checkpoint', checkpoint);
  return () => rmSync(folder, { recursive: true, force: true });
}

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of the bundled checkpoint as PyTorch wrote it, unpacked. */
    readonly checkpoint: string;
  }
}
