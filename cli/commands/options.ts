import type { Argv, CommandModule } from 'yargs';

/** What is loaded of a command when it is asked for. */
export type Command<T> = Required<Pick<CommandModule<object, T>, 'builder' | 'handler'>>;

/** Options that say how a checkpoint is read; all commands that read one share them. */
export interface ReadingArguments {
  readonly key: string | undefined;
  readonly transformInput: boolean | undefined;
  readonly checkHash: boolean;
  readonly strict?: boolean | undefined;
}

/** The same, and what the model is to be that is made of it. */
export interface CheckpointArguments extends ReadingArguments {
  readonly imageSize: number | undefined;
}

export function readingOptions<T>(argv: Argv<T>): Argv<T & ReadingArguments> {
  return argv
    .option('key', {
      type: 'string',
      requiresArg: true,
      describe: 'Dotted path of the state dict, when the checkpoint holds several',
    })
    .option('transform-input', {
      type: 'boolean',
      describe:
        "torchvision's transform_input, or --no-transform-input; on by itself for the official weights",
    })
    .option('check-hash', {
      type: 'boolean',
      default: true,
      describe: 'Compare the SHA-256 with the hash in a name such as googlenet-1378be20.pth',
    })
    .option('strict', {
      type: 'boolean',
      default: false,
      describe:
        'Refuse what else brings a warning: objects of unknown classes, and tensors beside the network',
    }) as never;
}

export function checkpointOptions<T>(argv: Argv<T>): Argv<T & CheckpointArguments> {
  return readingOptions(argv).option('image-size', {
    type: 'number',
    requiresArg: true,
    describe: "Side of the model's square input in pixels, at least 15",
  }) as never;
}

/** Options of every command that prints. */
export interface OutputArguments {
  readonly json: boolean;
  readonly quiet: boolean;
}

export function outputOptions<T>(argv: Argv<T>): Argv<T & OutputArguments> {
  return argv
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object' })
    .option('quiet', {
      type: 'boolean',
      default: false,
      describe: 'Print nothing but errors',
    }) as never;
}

/** Options of the commands that compare with a golden file. */
export interface GoldenArguments {
  readonly allowOtherCheckpoint: boolean;
  readonly diagnose: boolean;
}

export function goldenOptions<T>(argv: Argv<T>): Argv<T & GoldenArguments> {
  return argv
    .option('allow-other-checkpoint', {
      type: 'boolean',
      default: false,
      describe: 'Accept a golden file that was made from another checkpoint',
    })
    .option('diagnose', {
      type: 'boolean',
      default: true,
      describe: 'Look for the cause when parity fails; --no-diagnose leaves it out',
    }) as never;
}
