import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { OnnxRuntime } from '../../src/runtimes/onnx/runtime.js';

/** Where `npm ci --prefix test/onnxruntime` installs it. */
const FOLDER = fileURLToPath(new URL('../onnxruntime/', import.meta.url));

/** The folder that holds ONNX Runtime; undefined, and said so, where it is not installed. */
export function findOnnxRuntime(what: string): string | undefined {
  if (existsSync(`${FOLDER}node_modules/onnxruntime-node`)) return FOLDER;
  console.warn(
    `SKIPPED: ${what}, ONNX Runtime is not installed (npm ci --prefix test/onnxruntime)`,
  );
  return undefined;
}

/** ONNX Runtime itself, for Node. */
export function importOnnxRuntime(folder: string): OnnxRuntime {
  return createRequire(`${folder}package.json`)('onnxruntime-node');
}
