import { BACKEND_NAMES, type BackendName } from '../../src/runtimes/tfjs/backends.js';
import type { Provenance } from '../../src/stored-model/provenance.js';
import type { Golden } from '../../src/verify/golden.js';
import type { Verification } from '../../src/verify/index.js';
import { readCheckpointFile } from '../checkpoint.js';
import { readGoldenFile } from '../golden-file.js';
import { inFile, printWarnings, shownName, usageError } from '../input.js';
import { type ModelFiles, readModel } from '../model.js';
import { runVerification, withStatus } from '../run-verification.js';
import type { Command } from './options.js';
import { type VerifyArguments, verifyOptions } from './verify-options.js';

export const verifyCommand: Command<VerifyArguments> = {
  builder: (argv) => verifyOptions(argv),
  handler: async (args) => {
    checkBounds(args);
    const backends = parseBackends(args.backend);
    const { deliver, reportTargets } = await import('../report.js');
    const format = args.json ? 'json' : args.report;
    const targets = reportTargets(format, args.output, args.quiet);
    const quiet = args.quiet || (targets.stdout ?? 'table') !== 'table';
    const golden = await readGoldenFile(args.golden, quiet);
    const model = await readBoth({ ...args, quiet }, golden);
    const { contradictions } = await import('../../src/verify/fits.js');
    const { readProvenance } = await import('../../src/runtimes/tfjs/load.js');
    const provenance = readProvenance(model.files);
    const warnings = [
      ...model.warnings,
      ...contradictions(provenance, golden),
      ...(await checkpointRemarks(model, provenance)),
    ];
    if (!quiet) printWarnings(warnings);
    const verification = await run(args, backends, model, golden);
    await deliver(verification, targets, { layers: args.layers, warnings });
  },
};

function checkBounds({ rtol, atol }: VerifyArguments): void {
  for (const [option, bound] of [
    ['--rtol (or --tolerance)', rtol],
    ['--atol', atol],
  ] as const) {
    if (bound !== undefined && !(bound >= 0)) {
      throw usageError(`${option} takes a number of at least 0`);
    }
  }
}

function parseBackends(list: string): readonly BackendName[] {
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !BACKEND_NAMES.some((known) => known === name));
  if (unknown === undefined) return [...new Set(names)] as BackendName[];
  throw usageError(
    `--backend: there is no backend '${unknown}'; there are ${BACKEND_NAMES.join(', ')}`,
  );
}

/** The model, and the checkpoint that it was made of, where one is given. */
async function readBoth(args: VerifyArguments, golden: Golden): Promise<ModelFiles> {
  const imageSize = golden.shape[2];
  const { checkImageSize } = await import('../../src/describe-model.js');
  await inFile(args.golden, async () => checkImageSize(args.imageSize ?? imageSize));
  const model = await readModel(args, { imageSize, golden });
  if (model.checkpoint !== undefined || args.checkpoint === undefined) return model;
  const { checkpoint } = await readCheckpointFile(args.checkpoint, args.quiet);
  return { ...model, checkpoint };
}

/** Whoever passes a checkpoint would think that the model was compared with it. */
async function checkpointRemarks(
  { checkpoint }: ModelFiles,
  provenance: Provenance | null,
): Promise<string[]> {
  if (checkpoint === undefined) return [];
  const { remarkOnCheckpoint } = await import('../../src/verify/read-weights.js');
  const remark = await remarkOnCheckpoint(checkpoint, provenance);
  return remark === null ? [] : [remark];
}

async function run(
  args: VerifyArguments,
  backends: readonly BackendName[],
  { files, checkpoint }: ModelFiles,
  golden: Golden,
): Promise<Verification> {
  const { rtol, atol, top1, requireGpu, tf32, diagnose, allowOtherCheckpoint } = args;
  const options = {
    backends,
    tolerance: { rtol, atol, top1 },
    checkpoint,
    requireGpu,
    tf32,
    diagnose,
    allowOtherCheckpoint,
    modelName: shownName(args.model),
    goldenName: shownName(args.golden),
  };
  return inFile(`${shownName(args.model)} and ${shownName(args.golden)}`, () =>
    withStatus(args.quiet, (status) => runVerification(files, golden, options, status)),
  );
}
