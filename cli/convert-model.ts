import type { Conversion } from '../src/convert.js';
import { type ConvertOptions, checkConvertOptions } from '../src/convert-options.js';
import type { NamedBytes } from '../src/stored-model/artifacts.js';
import type { ModelFormat } from '../src/targets/formats.js';
import type { Golden } from '../src/verify/golden.js';
import { readCheckpointFile } from './checkpoint.js';
import type { ConvertArguments } from './commands/convert-options.js';
import { readGoldenFile, refuseWithoutGolden } from './golden-file.js';
import { checkHubHash, inFile, printJSON, printNotes, printWarnings } from './input.js';
import type { Judgement, Trial } from './judge.js';
import { readLabels } from './labels.js';
import { writeChecked, writeWhileMade } from './output.js';
import { formatSummary, formatTrials } from './summary.js';
import { checkTarget, refuseInside } from './target.js';
import { checkFile, writeWhole, writeWholeChecked } from './write-file.js';

/**
 * `convert` to a folder that TensorFlow.js loads, or to ONNX. With a golden file the model gets its name only
 * when what lies on the disk gives PyTorch's logits.
 * @param toFile whether `out` names a file; else the folder that the model goes into
 */
export async function convertModel(
  args: ConvertArguments,
  format: ModelFormat,
  toFile: boolean,
): Promise<void> {
  // performance.now() would load more than a conversion does.
  const started = process.uptime();
  const { quantize: quantization, imageSize, input, trainable } = args;
  checkConvertOptions({ format, input, imageSize, quantization, trainable });
  refuseWithoutGolden(args);
  await (toFile ? checkFile : checkTarget)(args.out, { force: args.force });
  await refuseLosses(args);
  const labels = await readLabels(args.labels);
  const golden =
    args.golden === undefined ? undefined : await readGoldenFile(args.golden, args.quiet);
  const { name, checkpoint } = await readCheckpointFile(args.checkpoint, args.quiet);
  const { convertCheckpoint } = await import('../src/convert.js');
  const options: ConvertOptions = {
    sourceName: name,
    key: args.key,
    strict: args.strict,
    transformInput: args.transformInput,
    imageSize,
    golden,
    quantization,
    format,
    input,
    trainable,
    ...labels,
  };
  const convert = async (onShard?: (file: NamedBytes) => void): Promise<Conversion> => {
    const conversion = await inFile(args.checkpoint, () =>
      convertCheckpoint(checkpoint, options, onShard),
    );
    const { sha256 } = conversion.provenance.source;
    const hashWarnings = args.checkHash ? checkHubHash(name, sha256) : [];
    return { ...conversion, warnings: [...conversion.warnings, ...hashWarnings] };
  };
  const write = toFile ? writeFile : writeConverting;
  const conversion = golden ? await convert() : await write(args, convert);
  const proof =
    golden && (await writeProved(args, golden, toFile, { checkpoint, options, conversion }));
  const warnings = [...conversion.warnings, ...(proof?.warnings ?? [])];
  const seconds = process.uptime() - started;
  print(args, { ...conversion, warnings }, seconds, proof);
}

/** What is read must not be what --force replaces. */
async function refuseLosses({ out, force, checkpoint, golden, labels }: ConvertArguments) {
  if (!force) return;
  for (const path of [checkpoint, golden, labels]) {
    if (path !== undefined) await refuseInside(out, path);
  }
}

/** What a golden file told of a model that has been written. */
interface Proof extends Judgement {
  readonly warnings: readonly string[];
}

/** Writes weight files while the next are made. */
function writeConverting(
  { out, force }: ConvertArguments,
  convert: (onShard: (file: NamedBytes) => void) => Promise<Conversion>,
): Promise<Conversion> {
  return writeWhileMade(out, { force }, async (folder) => {
    const early = new Set<string>();
    const conversion = await convert((shard) => {
      early.add(shard.name);
      folder.add(shard);
    });
    for (const file of conversion.files) if (!early.has(file.name)) folder.add(file);
    return conversion;
  });
}

/** Writes the one file that the model is. */
async function writeFile(
  { out, force }: ConvertArguments,
  convert: () => Promise<Conversion>,
): Promise<Conversion> {
  const conversion = await convert();
  const [file] = conversion.files as readonly [NamedBytes];
  await writeWhole(out, file.bytes, { force });
  return conversion;
}

async function writeProved(
  args: ConvertArguments,
  golden: Golden,
  toFile: boolean,
  rest: Pick<Trial, 'checkpoint' | 'options' | 'conversion'>,
): Promise<Proof> {
  const { out, force, golden: name = '' } = args;
  const { files, provenance } = rest.conversion;
  const { checkGolden, explain, judge, Unlike } = await import('./judge.js');
  await checkGolden({ name, golden }, provenance, args.allowOtherCheckpoint);
  const { doubts } = await import('../src/verify/fits.js');
  const { withStatus } = await import('./run-verification.js');
  const judgement = await withStatus(args.quiet, async (status) => {
    const trial = { ...rest, args: { ...args, golden: name }, golden, status };
    try {
      const check = (written: string) => judge(written, trial);
      if (!toFile) return await writeChecked(out, files, { force }, check);
      const [{ bytes }] = files as readonly [NamedBytes];
      return await writeWholeChecked(out, bytes, { force }, check);
    } catch (error) {
      throw error instanceof Unlike ? await explain(error, trial) : error;
    }
  });
  return { ...judgement, warnings: doubts(provenance, golden) };
}

function print(
  args: ConvertArguments,
  conversion: Conversion,
  seconds: number,
  proof: Proof | undefined,
): void {
  const { provenance, tensors, parameters, warnings, files } = conversion;
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (args.json) {
    const counts = { tensors, parameters, files: files.length, bytes, seconds };
    const { bound: rtol, float32, written, trials } = proof ?? {};
    const parity = proof && { golden: args.golden, rtol, float32, written };
    printJSON({
      outDir: args.out,
      ...provenance,
      ...counts,
      parity,
      trials,
      notes: conversion.notes,
      warnings,
    });
  } else if (!args.quiet) {
    const written = { outDir: args.out, bytes, seconds };
    process.stdout.write(`${formatSummary(conversion, written, proof)}\n`);
    if (proof?.trials) process.stdout.write(`${formatTrials(proof.trials)}\n`);
    printNotes(conversion.notes);
    printWarnings(warnings);
  }
}
