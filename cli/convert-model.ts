import type { Conversion, ConvertOptions } from '../src/convert.js';
import type { ModelFormat } from '../src/formats.js';
import type { Golden } from '../src/verify/golden.js';
import type { QuantizationTrial } from '../src/verify/quantizations.js';
import type { ConvertArguments } from './commands/convert.js';
import { CRC32_OPTION } from './crc32.js';
import { readGoldenFile } from './golden-file.js';
import { checkHubHash, inFile, printWarnings, readInput, usageError } from './input.js';
import { readLabels } from './labels.js';
import { writeDirectory } from './output.js';
import { formatSummary, formatTrials } from './summary.js';
import { checkTarget, refuseInside } from './target.js';

/** `convert` to a folder that TensorFlow.js loads. */
export async function convertModel(args: ConvertArguments, format: ModelFormat): Promise<void> {
  const started = performance.now();
  if (args.input === 'pixels' && format !== 'graph') {
    throw usageError('--input pixels goes with --format graph');
  }
  if (args.trainable && (format !== 'layers' || args.quantize !== undefined)) {
    throw usageError('--trainable goes with --format layers, and without --quantize');
  }
  await checkTarget(args.out, { force: args.force });
  if (args.force) await refuseInside(args.out, args.checkpoint);
  const labels = await readLabels(args.labels);
  const golden =
    args.golden === undefined ? undefined : await readGoldenFile(args.golden, args.quiet);
  const source = await readInput(args.checkpoint, args.quiet);
  const { convertCheckpoint } = await import('../src/convert.js');
  const options: ConvertOptions = {
    sourceName: source.name,
    key: args.key,
    transformInput: args.transformInput,
    imageSize: args.imageSize,
    quantization: args.quantize,
    format,
    input: args.input,
    trainable: args.trainable,
    ...labels,
    ...CRC32_OPTION,
  };
  const conversion = await inFile(args.checkpoint, () => convertCheckpoint(source.bytes, options));
  const warnings = [
    ...conversion.warnings,
    ...(args.checkHash ? checkHubHash(source.name, conversion.provenance.source.sha256) : []),
  ];
  await writeDirectory(args.out, conversion.files, { force: args.force });
  const seconds = (performance.now() - started) / 1000;
  const trials =
    golden === undefined ? undefined : await tryAll(golden, source.bytes, options, args);
  print(args, { ...conversion, warnings }, seconds, trials);
}

/** Every way of storing the weights, against a golden file. */
async function tryAll(
  golden: Golden,
  checkpoint: Uint8Array,
  options: ConvertOptions,
  args: ConvertArguments,
): Promise<readonly QuantizationTrial[]> {
  // Keeps TensorFlow.js from advertising its other packages on stderr.
  const { enableProdMode } = await import('@tensorflow/tfjs-core');
  enableProdMode();
  const { compareQuantizations } = await import('../src/verify/quantizations.js');
  return inFile(args.golden as string, () => compareQuantizations(checkpoint, golden, options));
}

function print(
  args: ConvertArguments,
  conversion: Conversion,
  seconds: number,
  trials: readonly QuantizationTrial[] | undefined,
): void {
  const { provenance, tensors, parameters, warnings, files } = conversion;
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (args.json) {
    const counts = { tensors, parameters, files: files.length, bytes, seconds };
    process.stdout.write(
      `${JSON.stringify({ outDir: args.out, ...provenance, ...counts, trials, warnings })}\n`,
    );
  } else if (!args.quiet) {
    process.stdout.write(`${formatSummary(conversion, { outDir: args.out, bytes, seconds })}\n`);
    if (trials !== undefined) process.stdout.write(`${formatTrials(trials)}\n`);
    printWarnings(warnings);
  }
}
