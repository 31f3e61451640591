import type { CheckpointFile } from '../src/checkpoint/checkpoint-file.js';
import type { ConvertOptions } from '../src/convert-options.js';
import type { StoredModel } from '../src/stored-model/stored-model.js';
import { openSource } from './checkpoint.js';
import type { CheckpointArguments } from './commands/options.js';
import { checkHubHash, inFile, usageError } from './input.js';
import { readLabels } from './labels.js';
import type { Source } from './source.js';

/** A model that is to be run, however it was given. */
export interface OpenedModel {
  readonly model: StoredModel;
  /** The checkpoint itself, where it is at hand. */
  readonly checkpoint: CheckpointFile | undefined;
  readonly warnings: readonly string[];
}

export interface ModelArguments extends CheckpointArguments {
  readonly model: string;
  readonly quiet: boolean;
}

/**
 * The model: read back from where it lies, or converted in memory from a checkpoint.
 * @param known for a checkpoint, where the user does not say
 * @throws Pth2tfjsError `model` for a folder that is none; as `convertCheckpoint` does
 */
export async function readModel(
  args: ModelArguments,
  known: Pick<ConvertOptions, 'imageSize' | 'golden'> = {},
): Promise<OpenedModel> {
  const { openModelArgument } = await import('./model-directory.js');
  const { model, source } = await openModelArgument(args.model, args.quiet);
  if (source !== undefined) return convertInMemory(args, source, known);
  const options = [args.key, args.transformInput, args.imageSize];
  if (options.some((option) => option !== undefined)) {
    throw usageError(
      '--key, --transform-input and --image-size go with a checkpoint, not with a converted model',
    );
  }
  const { weightWarnings } = await import('../src/stored-model/weight-warnings.js');
  return { model, checkpoint: undefined, warnings: weightWarnings(model) };
}

async function convertInMemory(
  args: ModelArguments,
  source: Source,
  known: Pick<ConvertOptions, 'imageSize' | 'golden'>,
): Promise<OpenedModel> {
  const { key, transformInput, checkHash, strict } = args;
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
  const { files, warnings, provenance } = await inFile(args.model, () =>
    convertCheckpoint(checkpoint, options),
  );
  const hashWarnings = checkHash ? checkHubHash(name, provenance.source.sha256) : [];
  const { openStoredModel } = await import('../src/stored-model/open.js');
  const model = openStoredModel(files);
  return { model, checkpoint, warnings: [...warnings, ...hashWarnings] };
}
