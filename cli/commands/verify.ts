import type { BackendName } from '../../src/runtimes/backend.js';
import { checkBackends } from '../../src/runtimes/backend.js';
import type { Provenance } from '../../src/stored-model/provenance.js';
import type { Golden } from '../../src/verify/golden.js';
import { checkTolerance } from '../../src/verify/tolerance.js';
import type { Verification } from '../../src/verify/verification.js';
import { readCheckpointFile } from '../checkpoint.js';
import { readGoldenFile } from '../golden-file.js';
import { inFile, printWarnings, shownName } from '../input.js';
import { type OpenedModel, readModel } from '../model.js';
import { runVerification, withStatus } from '../run-verification.js';
import type { Command } from './options.js';
import { type VerifyArguments, verifyOptions } from './verify-options.js';

export const verifyCommand: Command<VerifyArguments> = {
  builder: (argv) => verifyOptions(argv),
  handler: async (args) => {
    checkTolerance(args);
    const backends = parseBackends(args.backend);
    const { deliver, reportTargets } = await import('../report.js');
    const format = args.json ? 'json' : args.report;
    const targets = reportTargets(format, args.output, args.quiet);
    const quiet = args.quiet || (targets.stdout ?? 'table') !== 'table';
    const golden = await readGoldenFile(args.golden, quiet);
    const opened = await readBoth({ ...args, quiet }, golden);
    const { contradictions } = await import('../../src/verify/fits.js');
    const { provenance } = opened.model;
    const warnings = [
      ...opened.warnings,
      ...contradictions(provenance, golden),
      ...(await checkpointRemarks(opened, provenance)),
    ];
    if (!quiet) printWarnings(warnings);
    const verification = await run(args, backends, opened, golden);
    await deliver(verification, targets, { layers: args.layers, warnings });
  },
};

function parseBackends(list: string): readonly BackendName[] {
  return checkBackends([...new Set(list.split(',').map((name) => name.trim()))]);
}

/** The model, and the checkpoint that it was made of, where one is given. */
async function readBoth(args: VerifyArguments, golden: Golden): Promise<OpenedModel> {
  const imageSize = golden.shape[2];
  const { checkImageSize } = await import('../../src/describe-model.js');
  await inFile(args.golden, async () => checkImageSize(args.imageSize ?? imageSize));
  const opened = await readModel(args, { imageSize, golden });
  if (opened.checkpoint !== undefined || args.checkpoint === undefined) return opened;
  const { checkpoint } = await readCheckpointFile(args.checkpoint, args.quiet);
  return { ...opened, checkpoint };
}

/** Whoever passes a checkpoint would think that the model was compared with it. */
async function checkpointRemarks(
  { checkpoint }: OpenedModel,
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
  { model, checkpoint }: OpenedModel,
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
    withStatus(args.quiet, (status) => runVerification(model, golden, options, status)),
  );
}
