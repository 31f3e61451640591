import { join } from 'node:path';
import type { SafetensorsConversion } from '../src/convert-safetensors.js';
import type { Golden } from '../src/verify/golden.js';
import { type OpenedSource, readCheckpointFile } from './checkpoint.js';
import type { ConvertArguments } from './commands/convert-options.js';
import { readGoldenFile, refuseWithoutGolden } from './golden-file.js';
import { checkHubHash, inFile, printJSON, printNotes, printWarnings, usageError } from './input.js';
import type { Judgement, Trial } from './judge.js';
import { writeChecked, writeDirectory } from './output.js';
import { formatSafetensorsSummary } from './summary.js';
import { checkTarget, refuseInside } from './target.js';
import { checkFile, writeWhole, writeWholeChecked } from './write-file.js';

/** What the file is called in a folder, as tools of Hugging Face expect it. */
const FILE_NAME = 'model.safetensors';

/** Options that say what a model is like, which a state dict is not. */
const MODEL_OPTIONS = ['image-size', 'input', 'labels', 'quantize', 'trainable'] as const;

/**
 * `convert` to a safetensors file. With a golden file it gets its name only when what lies on the disk makes
 * a model that gives PyTorch's logits.
 * @param toFile whether `out` names the file; else the folder that it goes into
 */
export async function convertSafetensors(args: ConvertArguments, toFile: boolean): Promise<void> {
  const started = performance.now();
  const { checkpoint, out, force, quiet } = args;
  const odd = MODEL_OPTIONS.find((option) => given(args, option));
  if (odd !== undefined) {
    throw usageError(`--${odd} goes with a model, not with safetensors, which holds weights alone`);
  }
  refuseWithoutGolden(args);
  await (toFile ? checkFile : checkTarget)(out, { force });
  for (const path of force ? [checkpoint, args.golden] : []) {
    if (path !== undefined) await refuseInside(out, path);
  }
  const golden = args.golden === undefined ? undefined : await readGoldenFile(args.golden, quiet);
  const source = await readCheckpointFile(checkpoint, quiet);
  const trial = golden && (await modelOf(args, golden, source));
  const conversion = await convert(args, source, trial?.conversion.provenance.transformInput);
  const hashWarnings = args.checkHash ? checkHubHash(source.name, conversion.source.sha256) : [];
  const proof = await write(args, conversion.bytes, toFile, trial);
  const warnings = [...conversion.warnings, ...hashWarnings, ...(proof?.warnings ?? [])];
  const seconds = (performance.now() - started) / 1000;
  print(args, conversion, warnings, { seconds, proof });
}

/** @param known what a golden file is to prove of transform_input */
async function convert(
  { checkpoint, key, transformInput, strict }: ConvertArguments,
  source: OpenedSource,
  known: boolean | undefined,
): Promise<SafetensorsConversion> {
  const { convertToSafetensors } = await import('../src/convert-safetensors.js');
  const options = { sourceName: source.name, key, strict };
  return inFile(checkpoint, () =>
    convertToSafetensors(source.checkpoint, {
      ...options,
      transformInput: known ?? transformInput,
    }),
  );
}

type Prepared = Omit<Trial, 'status'>;

/** The model that the checkpoint makes, which tells whether the golden file fits. */
async function modelOf(
  args: ConvertArguments,
  golden: Golden,
  { name, checkpoint }: OpenedSource,
): Promise<Prepared> {
  const { key, strict, transformInput, golden: goldenName = '' } = args;
  const [, , imageSize] = golden.shape;
  const { convertCheckpoint } = await import('../src/convert.js');
  const { checkImageSize } = await import('../src/describe-model.js');
  await inFile(goldenName, async () => checkImageSize(imageSize));
  const options = { sourceName: name, key, strict, transformInput, imageSize, golden };
  const conversion = await inFile(args.checkpoint, () => convertCheckpoint(checkpoint, options));
  const { checkGolden } = await import('./judge.js');
  const named = { name: goldenName, golden };
  await checkGolden(named, conversion.provenance, args.allowOtherCheckpoint);
  return { args: { ...args, golden: goldenName }, golden, checkpoint, options, conversion };
}

interface Proof extends Judgement {
  readonly warnings: readonly string[];
}

async function write(
  { out, force, quiet }: ConvertArguments,
  bytes: Uint8Array,
  toFile: boolean,
  prepared: Prepared | undefined,
): Promise<Proof | undefined> {
  const files = [{ name: FILE_NAME, bytes }];
  if (prepared === undefined) {
    await (toFile ? writeWhole(out, bytes, { force }) : writeDirectory(out, files, { force }));
    return undefined;
  }
  const { explain, judgeStateDict, Unlike } = await import('./judge.js');
  const { doubts } = await import('../src/verify/fits.js');
  const { withStatus } = await import('./run-verification.js');
  const judgement = await withStatus(quiet, async (status) => {
    const trial = { ...prepared, status };
    const check = (path: string) => judgeStateDict(path, trial);
    try {
      return await (toFile
        ? writeWholeChecked(out, bytes, { force }, check)
        : writeChecked(out, files, { force }, (folder) => check(join(folder, FILE_NAME))));
    } catch (error) {
      throw error instanceof Unlike ? await explain(error, trial) : error;
    }
  });
  const { conversion, golden } = prepared;
  return { ...judgement, warnings: doubts(conversion.provenance, golden) };
}

function given(args: ConvertArguments, option: (typeof MODEL_OPTIONS)[number]): boolean {
  const value = option === 'image-size' ? args.imageSize : args[option];
  return value !== undefined && value !== false;
}

function print(
  { out, json, quiet, golden }: ConvertArguments,
  conversion: SafetensorsConversion,
  warnings: readonly string[],
  { seconds, proof }: { readonly seconds: number; readonly proof: Proof | undefined },
): void {
  const { bytes, ...facts } = conversion;
  if (json) {
    const { bound: rtol, float32 } = proof ?? {};
    const summary = {
      out,
      format: 'safetensors',
      ...facts,
      bytes: bytes.length,
      seconds,
      parity: proof && { golden, rtol, float32 },
      warnings,
    };
    printJSON(summary);
  } else if (!quiet) {
    process.stdout.write(`${formatSafetensorsSummary(conversion, { out, seconds }, proof)}\n`);
    printNotes(conversion.notes);
    printWarnings(warnings);
  }
}
