import type { SafetensorsConversion } from '../src/convert-safetensors.js';
import type { ConvertArguments } from './commands/convert.js';
import { CRC32_OPTION } from './crc32.js';
import { checkHubHash, inFile, printNotes, printWarnings, readInput, usageError } from './input.js';
import { writeDirectory } from './output.js';
import { formatSafetensorsSummary } from './summary.js';
import { checkTarget, refuseInside } from './target.js';
import { checkFile, writeWhole } from './write-file.js';

/** What the file is called in a folder, as tools of Hugging Face expect it. */
const FILE_NAME = 'model.safetensors';

/** Options that say what a model is like, which a state dict is not. */
const MODEL_OPTIONS = ['image-size', 'input', 'labels', 'quantize', 'golden', 'trainable'] as const;

/**
 * `convert` to a safetensors file.
 * @param toFile whether `out` names the file; else the folder that it goes into
 */
export async function convertSafetensors(args: ConvertArguments, toFile: boolean): Promise<void> {
  const started = performance.now();
  const { checkpoint, out, force, quiet, key, transformInput, strict } = args;
  const odd = MODEL_OPTIONS.find((option) => given(args, option));
  if (odd !== undefined) {
    throw usageError(`--${odd} goes with a model, not with safetensors, which holds weights alone`);
  }
  await (toFile ? checkFile : checkTarget)(out, { force });
  if (force) await refuseInside(out, checkpoint);
  const source = await readInput(checkpoint, quiet);
  const { convertToSafetensors } = await import('../src/convert-safetensors.js');
  const options = { sourceName: source.name, key, transformInput, strict, ...CRC32_OPTION };
  const conversion = await inFile(checkpoint, () => convertToSafetensors(source.bytes, options));
  const { sha256 } = conversion.source;
  const warnings = [
    ...conversion.warnings,
    ...(args.checkHash ? checkHubHash(source.name, sha256) : []),
  ];
  const { bytes } = conversion;
  if (toFile) await writeWhole(out, bytes, { force });
  else await writeDirectory(out, [{ name: FILE_NAME, bytes }], { force });
  const seconds = (performance.now() - started) / 1000;
  print(args, conversion, warnings, seconds);
}

function given(args: ConvertArguments, option: (typeof MODEL_OPTIONS)[number]): boolean {
  const value = option === 'image-size' ? args.imageSize : args[option];
  return value !== undefined && value !== false;
}

function print(
  { out, json, quiet }: ConvertArguments,
  conversion: SafetensorsConversion,
  warnings: readonly string[],
  seconds: number,
): void {
  const { bytes, ...facts } = conversion;
  if (json) {
    const summary = {
      out,
      format: 'safetensors',
      ...facts,
      bytes: bytes.length,
      seconds,
      warnings,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  } else if (!quiet) {
    process.stdout.write(`${formatSafetensorsSummary(conversion, { out, seconds })}\n`);
    printNotes(conversion.notes);
    printWarnings(warnings);
  }
}
