import { type BackendName, checkBackends, formatsOf } from '../../src/runtimes/backend.js';
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
    const backends = args.backend === undefined ? undefined : parseBackends(args.backend);
    const { deliver, reportTargets } = await import('../report.js');
    const format = args.json ? 'json' : args.report;
    const targets = reportTargets(format, args.output, args.quiet);
    const quiet = args.quiet || (targets.stdout ?? 'table') !== 'table';
    const golden = await readGoldenFile(args.golden, quiet);
    const opened = await readBoth({ ...args, quiet }, golden, backends);
    const { doubts } = await import('../../src/verify/fits.js');
    const [{ provenance }] = opened.models;
    const warnings = [
      ...opened.warnings,
      ...doubts(provenance, golden),
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
async function readBoth(
  args: VerifyArguments,
  golden: Golden,
  backends: readonly BackendName[] = ['wasm'],
): Promise<OpenedModel> {
  const imageSize = golden.shape[2];
  const { checkImageSize } = await import('../../src/describe-model.js');
  await inFile(args.golden, async () => checkImageSize(args.imageSize ?? imageSize));
  const [first = 'layers', ...others] = new Set(backends.map((name) => formatsOf(name)[0]));
  const opened = await readModel(args, { imageSize, golden, formats: [first, ...others] });
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
  backends: readonly BackendName[] | undefined,
  { models, checkpoint, inMemory }: OpenedModel,
  golden: Golden,
): Promise<Verification> {
  const { rtol, atol, top1, requireGpu, tf32, diagnose, allowOtherCheckpoint } = args;
  const options = {
    backends,
    tolerance: { rtol, atol, top1 },
    checkpoint,
    compareStored: !inMemory,
    requireGpu,
    tf32,
    diagnose,
    allowOtherCheckpoint,
    modelName: shownName(args.model),
    goldenName: shownName(args.golden),
  };
  return inFile(`${shownName(args.model)} and ${shownName(args.golden)}`, () =>
    withStatus(args.quiet, (status) => runVerification(models, golden, options, status)),
  );
}
