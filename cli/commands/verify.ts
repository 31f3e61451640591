import { stat } from 'node:fs/promises';
import type { CommandModule } from 'yargs';
import type { NamedBytes } from '../../src/tfjs/artifacts.js';
import type { BackendName } from '../../src/tfjs/backends.js';
import type { Golden } from '../../src/verify/golden.js';
import type { Verification } from '../../src/verify/index.js';
import { CRC32_OPTION } from '../crc32.js';
import { EXIT } from '../exit-codes.js';
import { checkHubHash, inFile, printWarnings, readInput, usageError } from '../input.js';
import {
  type CheckpointArguments,
  checkpointOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

interface Arguments extends CheckpointArguments, OutputArguments {
  readonly model: string;
  readonly golden: string;
  readonly backend: BackendName;
  readonly tolerance: number | undefined;
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
        choices: ['wasm', 'cpu'] satisfies BackendName[],
        default: 'wasm',
        describe: 'TensorFlow.js backend to run on',
      })
      .option('tolerance', {
        type: 'number',
        requiresArg: true,
        describe: "Bound on each image's ‖Δ‖/‖ref‖; default 5e-5",
      })
      .example('$0 verify out/ --golden golden.pth', 'check a converted model') as never,
  handler: async (args) => {
    if (args.tolerance !== undefined && !(args.tolerance >= 0)) {
      throw usageError('--tolerance takes a number of at least 0');
    }
    const quiet = args.quiet || args.json;
    const { readGolden } = await import('../../src/verify/golden.js');
    const { bytes } = await readInput(args.golden, quiet);
    const golden = await inFile(args.golden, () => readGolden(bytes, CRC32_OPTION));
    const { files, warnings } = await readModel(args, golden);
    if (!quiet) printWarnings(warnings);
    const verification = await run(args, files, golden);
    await print(args, verification, warnings);
  },
};

interface ModelFiles {
  readonly files: readonly NamedBytes[];
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
  return { files: await readModelDirectory(args.model), warnings: [] };
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
  return { files, warnings: [...warnings, ...(args.checkHash ? checkHubHash(name, sha256) : [])] };
}

async function run(
  args: Arguments,
  files: readonly NamedBytes[],
  golden: Golden,
): Promise<Verification> {
  // Keeps TensorFlow.js from advertising its other packages on stderr.
  const { enableProdMode } = await import('@tensorflow/tfjs-core');
  enableProdMode();
  const { verifyModel } = await import('../../src/verify/index.js');
  const { backend, tolerance, model: modelName, golden: goldenName } = args;
  return inFile(`${modelName} and ${goldenName}`, () =>
    verifyModel(files, golden, { backend, tolerance, modelName, goldenName }),
  );
}

async function print(
  { json, quiet }: Arguments,
  verification: Verification,
  warnings: readonly string[],
): Promise<void> {
  const { formatReport, verdict } = await import('../../src/verify/report.js');
  if (json) process.stdout.write(`${JSON.stringify({ ...verification, warnings })}\n`);
  else if (!quiet) process.stdout.write(`${formatReport(verification)}\n`);
  if (verification.comparison.passed) return;
  process.exitCode = EXIT.checkFailed;
  process.stderr.write(`pth2tfjs: ${verdict(verification)}\n`);
}
