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
      describe: 'Dotted path of the state dict, if the checkpoint holds several',
    })
    .option('transform-input', {
      type: 'boolean',
      describe:
        "Turn torchvision's transform_input on, or off with --no-transform-input; on by default for the official weights",
    })
    .option('check-hash', {
      type: 'boolean',
      default: true,
      describe:
        'Check the SHA-256 against the hash in a file name such as googlenet-1378be20.pth; --no-check-hash skips it',
    })
    .option('strict', {
      type: 'boolean',
      default: false,
      describe:
        'Refuse what otherwise only brings a warning: objects of unknown classes, and tensors beside the network',
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
      describe: 'Print only errors',
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
      describe: 'Accept a golden file made from another checkpoint',
    })
    .option('diagnose', {
      type: 'boolean',
      default: true,
      describe: 'Look for the cause if parity fails; --no-diagnose skips it',
    }) as never;
}
