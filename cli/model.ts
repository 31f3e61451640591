import type { CheckpointFile } from '../src/checkpoint/checkpoint-file.js';
import type { ConvertOptions } from '../src/convert.js';
import type { NamedBytes } from '../src/stored-model/artifacts.js';
import { openSource } from './checkpoint.js';
import type { CheckpointArguments } from './commands/options.js';
import { checkHubHash, inFile, usageError } from './input.js';
import { readLabels } from './labels.js';
import type { Source } from './source.js';

/** A model that is to be run, however it was given. */
export interface ModelFiles {
  readonly files: readonly NamedBytes[];
  /** The checkpoint itself, where it is at hand. */
  readonly checkpoint: CheckpointFile | undefined;
  readonly warnings: readonly string[];
}

export interface ModelArguments extends CheckpointArguments {
  readonly model: string;
  readonly quiet: boolean;
}

/**
 * The model's files: read back from where they lie, or converted in memory from a checkpoint.
 * @param known for a checkpoint, where the user does not say
 * @throws Pth2tfjsError `model` for a folder that is none; as `convertCheckpoint` does
 */
export async function readModel(
  args: ModelArguments,
  known: Pick<ConvertOptions, 'imageSize' | 'golden'> = {},
): Promise<ModelFiles> {
  const { openModelArgument } = await import('./model-directory.js');
  const { files, source } = await openModelArgument(args.model, args.quiet);
  if (source !== undefined) return convertInMemory(args, source, known);
  const options = [args.key, args.transformInput, args.imageSize];
  if (options.some((option) => option !== undefined)) {
    throw usageError(
      '--key, --transform-input and --image-size go with a checkpoint, not with a converted model',
    );
  }
  const { weightWarnings } = await import('../src/stored-model/weight-warnings.js');
  const warnings = await inFile(args.model, async () => weightWarnings(files));
  return { files, checkpoint: undefined, warnings };
}

async function convertInMemory(
  args: ModelArguments,
  source: Source,
  known: Pick<ConvertOptions, 'imageSize' | 'golden'>,
): Promise<ModelFiles> {
  const { key, transformInput, model, checkHash, strict } = args;
  const { name, checkpoint } = await openSource(source);
  const { convertCheckpoint } = await import('../src/convert.js');
  const options = {
    sourceName: name,
    key,
    transformInput,
    strict,
    imageSize: args.imageSize ?? known.imageSize,
    golden: known.golden,
    ...(await readLabels(undefined)),
  };
  const { files, warnings, provenance } = await inFile(model, () =>
    convertCheckpoint(checkpoint, options),
  );
  const hashWarnings = checkHash ? checkHubHash(name, provenance.source.sha256) : [];
  return { files, checkpoint, warnings: [...warnings, ...hashWarnings] };
}
