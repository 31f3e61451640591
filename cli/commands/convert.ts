import type { CommandModule } from 'yargs';
import type { Conversion, ConvertOptions } from '../../src/convert.js';
import { INPUTS, type InputKind, MODEL_FORMATS, type ModelFormat } from '../../src/formats.js';
import { QUANTIZATIONS, type Quantization } from '../../src/tfjs/quantize.js';
import type { Golden } from '../../src/verify/golden.js';
import type { QuantizationTrial } from '../../src/verify/quantizations.js';
import { CRC32_OPTION } from '../crc32.js';
import { readGoldenFile } from '../golden-file.js';
import { checkHubHash, inFile, printWarnings, readInput, usageError } from '../input.js';
import { readLabels } from '../labels.js';
import { writeDirectory } from '../output.js';
import { formatSummary, formatTrials } from '../summary.js';
import { checkTarget, refuseInside } from '../target.js';
import {
  type CheckpointArguments,
  checkpointOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

interface Arguments extends CheckpointArguments, OutputArguments {
  readonly checkpoint: string;
  readonly outDir: string;
  readonly force: boolean;
  readonly labels: string | undefined;
  readonly format: ModelFormat;
  readonly input: InputKind;
  readonly quantize: Quantization | undefined;
  readonly golden: string | undefined;
  readonly trainable: boolean;
}

export const convertCommand: CommandModule<object, Arguments> = {
  command: 'convert <checkpoint> <out-dir>',
  describe: 'Convert a GoogLeNet checkpoint to a TensorFlow.js model',
  builder: (argv) =>
    outputOptions(checkpointOptions(argv))
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'Path or http(s) URL of a .pth file, gzipped or not',
      })
      .positional('out-dir', {
        type: 'string',
        demandOption: true,
        describe: 'Folder for model.json and the weights',
      })
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'Replace a folder that is not empty',
      })
      .option('labels', {
        type: 'string',
        requiresArg: true,
        describe:
          "File with the classes' names, to be kept in the model: one a line, or JSON; 'imagenet' for ImageNet's, which the official weights get by themselves",
      })
      .option('format', {
        choices: MODEL_FORMATS,
        requiresArg: true,
        default: 'layers' as const,
        describe: 'A model for tf.loadLayersModel, or a frozen graph for tf.loadGraphModel',
      })
      .option('input', {
        choices: INPUTS,
        requiresArg: true,
        default: 'normalized' as const,
        describe: 'What the model takes; pixels (0 to 255, int32) go with --format graph',
      })
      .option('quantize', {
        choices: QUANTIZATIONS,
        requiresArg: true,
        describe: 'Store the kernels in less than float32; any TensorFlow.js reads them',
      })
      .option('trainable', {
        type: 'boolean',
        default: false,
        describe:
          'Keep BatchNorm, dropout and the auxiliary heads, so that it can be trained and exported',
      })
      .option('golden', {
        type: 'string',
        requiresArg: true,
        describe: 'Golden file to measure what each --quantize costs in accuracy',
      })
      .example('$0 convert googlenet-1378be20.pth out/', 'the official weights')
      .example('$0 convert finetuned.pth out/ --no-transform-input', 'a fine-tuned model') as never,
  handler: async (args) => {
    const started = performance.now();
    if (args.input === 'pixels' && args.format !== 'graph') {
      throw usageError('--input pixels goes with --format graph');
    }
    await checkTarget(args.outDir, { force: args.force });
    if (args.force) await refuseInside(args.outDir, args.checkpoint);
    const labels = await readLabels(args.labels);
    const golden =
      args.golden === undefined ? undefined : await readGoldenFile(args.golden, args.quiet);
    const source = await readInput(args.checkpoint, args.quiet);
    const { convertCheckpoint } = await import('../../src/convert.js');
    const options: ConvertOptions = {
      sourceName: source.name,
      key: args.key,
      transformInput: args.transformInput,
      imageSize: args.imageSize,
      quantization: args.quantize,
      format: args.format,
      input: args.input,
      trainable: args.trainable,
      ...labels,
      ...CRC32_OPTION,
    };
    const conversion = await inFile(args.checkpoint, () =>
      convertCheckpoint(source.bytes, options),
    );
    const warnings = [
      ...conversion.warnings,
      ...(args.checkHash ? checkHubHash(source.name, conversion.provenance.source.sha256) : []),
    ];
    await writeDirectory(args.outDir, conversion.files, { force: args.force });
    const seconds = (performance.now() - started) / 1000;
    const trials =
      golden === undefined ? undefined : await tryAll(golden, source.bytes, options, args);
    print(args, { ...conversion, warnings }, seconds, trials);
  },
};

/** Every way of storing the weights, against a golden file. */
async function tryAll(
  golden: Golden,
  checkpoint: Uint8Array,
  options: ConvertOptions,
  args: Arguments,
): Promise<readonly QuantizationTrial[]> {
  // Keeps TensorFlow.js from advertising its other packages on stderr.
  const { enableProdMode } = await import('@tensorflow/tfjs-core');
  enableProdMode();
  const { compareQuantizations } = await import('../../src/verify/quantizations.js');
  return inFile(args.golden as string, () => compareQuantizations(checkpoint, golden, options));
}

function print(
  args: Arguments,
  conversion: Conversion,
  seconds: number,
  trials: readonly QuantizationTrial[] | undefined,
): void {
  const { outDir } = args;
  const { provenance, tensors, parameters, warnings, files } = conversion;
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (args.json) {
    const counts = { tensors, parameters, files: files.length, bytes, seconds };
    process.stdout.write(
      `${JSON.stringify({ outDir, ...provenance, ...counts, trials, warnings })}\n`,
    );
  } else if (!args.quiet) {
    process.stdout.write(`${formatSummary(conversion, { outDir, bytes, seconds })}\n`);
    if (trials !== undefined) process.stdout.write(`${formatTrials(trials)}\n`);
    printWarnings(warnings);
  }
}
