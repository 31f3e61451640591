import type { CheckpointFile } from '../src/checkpoint/checkpoint-file.js';
import type { ConvertOptions } from '../src/convert-options.js';
import type { AnyModel } from '../src/stored-model/stored-onnx.js';
import type { ModelFormat } from '../src/targets/formats.js';
import { openSource } from './checkpoint.js';
import type { CheckpointArguments } from './commands/options.js';
import { checkHubHash, inFile, usageError } from './input.js';
import { readLabels } from './labels.js';
import type { Source } from './source.js';

/** A model that is to be run, however it was given. */
export interface OpenedModel {
  /** In each format that was asked for, the first before the others; what is no checkpoint has only its own. */
  readonly models: readonly [AnyModel, ...AnyModel[]];
  /** The checkpoint itself, where it is at hand. */
  readonly checkpoint: CheckpointFile | undefined;
  /** Whether the models were converted from it just now. */
  readonly inMemory: boolean;
  readonly warnings: readonly string[];
}

export interface ModelArguments extends CheckpointArguments {
  readonly model: string;
  readonly quiet: boolean;
}

/** For a checkpoint, what the user does not say. */
interface Wanted extends Pick<ConvertOptions, 'imageSize' | 'golden'> {
  /** What to convert it to; default layers. */
  readonly formats?: readonly [ModelFormat, ...ModelFormat[]];
}

/**
 * The model: read back from where it lies, or converted in memory from a checkpoint.
 * @throws Pth2tfjsError `model` for a folder that is none; as `convertCheckpoint` does
 */
export async function readModel(args: ModelArguments, wanted: Wanted = {}): Promise<OpenedModel> {
  const { openModelArgument } = await import('./model-directory.js');
  const { model, source } = await openModelArgument(args.model, args.quiet);
  if (source !== undefined) return convertInMemory(args, source, wanted);
  const options = [args.key, args.transformInput, args.imageSize];
  if (options.some((option) => option !== undefined)) {
    throw usageError(
      '--key, --transform-input and --image-size go with a checkpoint, not with a converted model',
    );
  }
  const { weightWarnings } = await import('../src/stored-model/weight-warnings.js');
  return {
    models: [model],
    checkpoint: undefined,
    inMemory: false,
    warnings: weightWarnings(model),
  };
}

async function convertInMemory(
  args: ModelArguments,
  source: Source,
  { formats = ['layers'], ...known }: Wanted,
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
  const { openAnyModel } = await import('../src/stored-model/open-any.js');
  const models: AnyModel[] = [];
  const told = new Set<string>();
  for (const format of formats) {
    const { files, warnings, provenance } = await inFile(args.model, () =>
      convertCheckpoint(checkpoint, { ...options, format }),
    );
    models.push(openAnyModel(files));
    const hash = checkHash ? checkHubHash(name, provenance.source.sha256) : [];
    for (const warning of [...warnings, ...hash]) told.add(warning);
  }
  const [first, ...others] = models as [AnyModel, ...AnyModel[]];
  return { models: [first, ...others], checkpoint, inMemory: true, warnings: [...told] };
}
