import { ONNX_FILE } from '../targets/formats.js';
import type { NamedBytes } from './artifacts.js';
import { openStoredModel, readStoredModel } from './open.js';
import { type AnyModel, StoredOnnx } from './stored-onnx.js';

/**
 * Opens a model by its files: `model.json` and its weight files, or `model.onnx`.
 * @throws Pth2tfjsError `model` when files are missing or short, or make no sense
 */
export function openAnyModel(files: readonly NamedBytes[]): AnyModel {
  return openOnnx(files) ?? openStoredModel(files);
}

/**
 * The same, and where a weight file is another one, this names it and what it is instead.
 * @throws Pth2tfjsError as {@link openAnyModel} does
 */
export async function readAnyModel(files: readonly NamedBytes[]): Promise<AnyModel> {
  return openOnnx(files) ?? readStoredModel(files);
}

/** A single file will do under any name that ends so. */
function openOnnx(files: readonly NamedBytes[]): StoredOnnx | undefined {
  const file =
    files.find(({ name }) => name === ONNX_FILE) ??
    (files.length === 1 ? files.find(({ name }) => name.endsWith('.onnx')) : undefined);
  return file && new StoredOnnx(file.bytes);
}
