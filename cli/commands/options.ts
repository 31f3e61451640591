import type { Argv } from 'yargs';

/** Options that say how a checkpoint is read; `convert` and `verify` share them. */
export interface CheckpointArguments {
  readonly key: string | undefined;
  readonly transformInput: boolean | undefined;
  readonly imageSize: number | undefined;
  readonly checkHash: boolean;
}

export function checkpointOptions<T>(argv: Argv<T>): Argv<T & CheckpointArguments> {
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
    .option('image-size', {
      type: 'number',
      requiresArg: true,
      describe: "Side of the model's square input in pixels, at least 15",
    })
    .option('check-hash', {
      type: 'boolean',
      default: true,
      describe: 'Compare the SHA-256 with the hash in a name such as googlenet-1378be20.pth',
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
