import type { CommandModule } from 'yargs';
import type { Conversion } from '../../src/convert.js';
import { CRC32_OPTION } from '../crc32.js';
import { checkHubHash, inFile, printWarnings, readInput } from '../input.js';
import { writeDirectory } from '../output.js';
import { printable } from '../printable.js';
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
  readonly checkHash: boolean;
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
      .example('$0 convert googlenet-1378be20.pth out/', 'the official weights')
      .example('$0 convert finetuned.pth out/ --no-transform-input', 'a fine-tuned model') as never,
  handler: async (args) => {
    const started = performance.now();
    await checkTarget(args.outDir, { force: args.force });
    if (args.force) await refuseInside(args.outDir, args.checkpoint);
    const source = await readInput(args.checkpoint, args.quiet);
    const { convertCheckpoint } = await import('../../src/convert.js');
    const conversion = await inFile(args.checkpoint, () =>
      convertCheckpoint(source.bytes, {
        sourceName: source.name,
        key: args.key,
        transformInput: args.transformInput,
        imageSize: args.imageSize,
        ...CRC32_OPTION,
      }),
    );
    const warnings = [
      ...conversion.warnings,
      ...(args.checkHash ? checkHubHash(source.name, conversion.provenance.source.sha256) : []),
    ];
    await writeDirectory(args.outDir, conversion.files, { force: args.force });
    const seconds = (performance.now() - started) / 1000;
    print(args, { ...conversion, warnings }, seconds);
  },
};

function print(args: Arguments, conversion: Conversion, seconds: number): void {
  const { provenance, tensors, parameters, warnings, files } = conversion;
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (args.json) {
    const summary = {
      outDir: args.outDir,
      ...provenance,
      tensors,
      parameters,
      files: files.length,
      bytes,
      seconds,
      warnings,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  } else if (!args.quiet) {
    process.stdout.write(`${formatSummary(args.outDir, conversion, bytes, seconds)}\n`);
    printWarnings(warnings);
  }
}

function formatSummary(
  outDir: string,
  { provenance, tensors, parameters, files }: Conversion,
  bytes: number,
  seconds: number,
): string {
  const { source, stateDict, branch3Kernel, transformInput, numClasses, input, ignoredKeys } =
    provenance;
  const rows: [string, string][] = [
    [
      'checkpoint',
      `${source.name ?? ''}, ${megabytes(source.bytes)}${source.gzip ? ' unpacked' : ''}, SHA-256 ${source.sha256?.slice(0, 16)}…`,
    ],
    [
      'container',
      `${source.container} version ${source.containerVersion}, pickle protocol ${source.pickleProtocol}, ${source.byteOrder}-endian`,
    ],
    [
      'state dict',
      `${tensors} tensors${stateDict.name === '.' ? '' : ` in the file, used: ${stateDict.name}`}${stateDict.prefix ? `, prefix ${stateDict.prefix} taken off` : ''}`,
    ],
    [
      'network',
      `GoogLeNet, ${parameters.toLocaleString('en-US')} parameters after folding BatchNorm, ${numClasses} classes`,
    ],
    [
      'branch3',
      `${branch3Kernel}x${branch3Kernel} kernels, as in ${branch3Kernel === 3 ? 'torchvision' : 'the paper'}`,
    ],
    ['transform_input', transformInput ? 'on' : 'off'],
    ['input', `NHWC, ${input.shape[1]}x${input.shape[2]} RGB, ImageNet normalisation`],
    ['ignored', summariseIgnored(ignoredKeys)],
    [
      'written',
      `${outDir}: ${files.length} files, ${megabytes(bytes)}, in ${seconds.toFixed(2)} s`,
    ],
  ];
  return rows.map(([label, text]) => `${label.padEnd(16)}${printable(text)}`).join('\n');
}

/** `57 num_batches_tracked, 40 of aux1 and aux2`, by the reason why inference has no use for them. */
function summariseIgnored(keys: readonly string[]): string {
  const aux = keys.filter((key) => /^aux[12]\./.test(key)).length;
  const counters = keys.filter(
    (key) => key.endsWith('num_batches_tracked') && !/^aux/.test(key),
  ).length;
  const parts = [
    [counters, 'num_batches_tracked'],
    [aux, 'of the auxiliary heads aux1 and aux2'],
    [keys.length - aux - counters, 'others'],
  ] as const;
  const named = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return named.length === 0 ? 'nothing' : `${named.join(', ')} (model.json lists them)`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
