import { stat } from 'node:fs/promises';
import type { CommandModule } from 'yargs';
import type { NamedBytes } from '../../src/tfjs/artifacts.js';
import { BACKEND_NAMES, type BackendName } from '../../src/tfjs/backends.js';
import type { Golden } from '../../src/verify/golden.js';
import type { Verification, VerifyProgress } from '../../src/verify/index.js';
import { REPORT_FORMATS, type ReportFormat } from '../../src/verify/report/index.js';
import { CRC32_OPTION } from '../crc32.js';
import { EXIT } from '../exit-codes.js';
import { importPackage, packageVersion } from '../import-package.js';
import { checkHubHash, inFile, printWarnings, readInput, usageError } from '../input.js';
import { printable } from '../printable.js';
import { statusLine } from '../progress.js';
import { writeReport } from '../write-report.js';
import {
  type CheckpointArguments,
  checkpointOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

interface Arguments extends CheckpointArguments, OutputArguments {
  readonly model: string;
  readonly golden: string;
  readonly backend: string;
  readonly rtol: number | undefined;
  readonly atol: number | undefined;
  readonly top1: boolean;
  readonly requireGpu: boolean;
  readonly tf32: boolean;
  readonly layers: boolean;
  readonly diagnose: boolean;
  readonly checkpoint: string | undefined;
  readonly allowOtherCheckpoint: boolean;
  readonly report: ReportFormat;
  readonly output: string | undefined;
}

export const verifyCommand: CommandModule<object, Arguments> = {
  command: 'verify <model>',
  describe: "Compare a model's logits with those that PyTorch gave",
  builder: (argv) =>
    outputOptions(checkpointOptions(argv))
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'Folder that convert wrote, or a .pth file (converted in memory)',
      })
      .option('golden', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'What torch.save({"input": x, "logits": y}, file) wrote',
      })
      .option('backend', {
        type: 'string',
        requiresArg: true,
        default: 'wasm',
        describe: `What to run on, one or more with commas between: ${BACKEND_NAMES.join(', ')}`,
      })
      .option('rtol', {
        alias: 'tolerance',
        type: 'number',
        requiresArg: true,
        describe: "Bound on each image's ‖Δ‖/‖ref‖; default 5e-5 in float32",
      })
      .option('atol', {
        type: 'number',
        requiresArg: true,
        describe: 'Bound on the largest difference of one logit; default none',
      })
      .option('top1', {
        type: 'boolean',
        default: false,
        describe: 'Also require the same class with the largest logit',
      })
      .option('require-gpu', {
        type: 'boolean',
        default: false,
        describe: 'Fail where the work would run on a processor or a software adapter',
      })
      .option('tf32', {
        type: 'boolean',
        default: false,
        describe: 'Let cuda compute in TF32, which is faster and rounds to 10 bits',
      })
      .option('layers', {
        type: 'boolean',
        default: false,
        describe: 'Print every layer that the golden file holds',
      })
      .option('diagnose', {
        type: 'boolean',
        default: true,
        describe: 'Look for the cause when parity fails',
      })
      .option('checkpoint', {
        type: 'string',
        requiresArg: true,
        describe: 'The checkpoint of a converted folder, which lets more causes be found',
      })
      .option('allow-other-checkpoint', {
        type: 'boolean',
        default: false,
        describe: 'Accept a golden file that was made from another checkpoint',
      })
      .option('report', {
        choices: REPORT_FORMATS,
        default: 'table' as const,
        describe: 'How to write the report',
      })
      .option('output', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'Write the report to this file instead of printing it',
      })
      .example('$0 verify out/ --golden golden.pth', 'check a converted model') as never,
  handler: async (args) => {
    for (const name of ['rtol', 'atol'] as const) {
      const bound = args[name];
      if (bound !== undefined && !(bound >= 0)) {
        const option = name === 'rtol' ? '--rtol (or --tolerance)' : '--atol';
        throw usageError(`${option} takes a number of at least 0`);
      }
    }
    const backends = parseBackends(args.backend);
    const quiet = args.quiet || isMachineReadable(args);
    const { readGolden } = await import('../../src/verify/golden.js');
    const { bytes } = await readInput(args.golden, quiet);
    const golden = await inFile(args.golden, () => readGolden(bytes, CRC32_OPTION));
    const model = await readModel(args, golden);
    if (!quiet) printWarnings(model.warnings);
    const verification = await run(args, backends, model, golden);
    await print(args, verification, model.warnings);
  },
};

/** `--json` is short for `--report json`. */
function reportFormat({ json, report }: Arguments): ReportFormat {
  return json ? 'json' : report;
}

/** Whether standard output is for a program to read. */
function isMachineReadable(args: Arguments): boolean {
  return reportFormat(args) !== 'table' && args.output === undefined;
}

function parseBackends(list: string): readonly BackendName[] {
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !BACKEND_NAMES.some((known) => known === name));
  if (unknown === undefined) return [...new Set(names)] as BackendName[];
  throw usageError(
    `--backend: there is no backend '${unknown}'; there are ${BACKEND_NAMES.join(', ')}`,
  );
}

interface ModelFiles {
  readonly files: readonly NamedBytes[];
  /** The checkpoint itself, where it is at hand. */
  readonly checkpoint: Uint8Array | undefined;
  readonly warnings: readonly string[];
}

/** The model's files: read back from a folder, or converted from a checkpoint at the golden's size. */
async function readModel(args: Arguments, golden: Golden): Promise<ModelFiles> {
  const isDirectory = await stat(args.model).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isDirectory) return convertInMemory(args, golden);
  const options = [args.key, args.transformInput, args.imageSize];
  if (options.some((option) => option !== undefined)) {
    throw usageError(
      '--key, --transform-input and --image-size go with a checkpoint, not with a converted folder',
    );
  }
  const { readModelDirectory } = await import('../model-directory.js');
  const files = await readModelDirectory(args.model);
  const source = args.checkpoint && (await readInput(args.checkpoint, args.quiet || args.json));
  return { files, checkpoint: source ? source.bytes : undefined, warnings: [] };
}

async function convertInMemory(args: Arguments, golden: Golden): Promise<ModelFiles> {
  const imageSize = args.imageSize ?? golden.shape[2];
  const { checkImageSize } = await import('../../src/googlenet/model.js');
  await inFile(args.golden, async () => checkImageSize(imageSize));
  const { name, bytes } = await readInput(args.model, args.quiet || args.json);
  const { convertCheckpoint } = await import('../../src/convert.js');
  const { key, transformInput } = args;
  const { files, warnings, provenance } = await inFile(args.model, () =>
    convertCheckpoint(bytes, { sourceName: name, key, transformInput, imageSize, ...CRC32_OPTION }),
  );
  const { sha256 } = provenance.source;
  const hashWarnings = args.checkHash ? checkHubHash(name, sha256) : [];
  return { files, checkpoint: bytes, warnings: [...warnings, ...hashWarnings] };
}

async function run(
  args: Arguments,
  backends: readonly BackendName[],
  { files, checkpoint }: ModelFiles,
  golden: Golden,
): Promise<Verification> {
  // Keeps TensorFlow.js from advertising its other packages on stderr.
  const { enableProdMode } = await import('@tensorflow/tfjs-core');
  enableProdMode();
  const { verifyModel } = await import('../../src/verify/index.js');
  const { rtol, atol, top1, requireGpu, tf32, diagnose, allowOtherCheckpoint } = args;
  const status = statusLine(process.stderr, args.quiet);
  try {
    return await inFile(`${args.model} and ${args.golden}`, () =>
      verifyModel(files, golden, {
        backends,
        tolerance: { rtol, atol, top1 },
        checkpoint,
        requireGpu,
        tf32,
        diagnose,
        allowOtherCheckpoint,
        modelName: args.model,
        goldenName: args.golden,
        runtime: `Node ${process.versions.node}, ${process.platform} ${process.arch}`,
        importPackage,
        packageVersion,
        onProgress: ({ backend, step, done }: VerifyProgress) =>
          status.show(`${backend}: ${step} (${Math.floor(done * 100)} %)`),
      }),
    );
  } finally {
    status.clear();
  }
}

async function print(
  args: Arguments,
  verification: Verification,
  warnings: readonly string[],
): Promise<void> {
  const { formatReport, verdict } = await import('../../src/verify/report/index.js');
  const format = reportFormat(args);
  const report = formatReport(verification, format, { layers: args.layers, warnings });
  if (args.output !== undefined) await writeReport(args.output, `${report}\n`);
  else if (!args.quiet || format !== 'table') process.stdout.write(`${report}\n`);
  if (verification.passed) return;
  process.exitCode = EXIT.checkFailed;
  process.stderr.write(`pth2tfjs: ${printable(verdict(verification))}\n`);
}
