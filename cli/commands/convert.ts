import {
  INPUTS,
  type InputKind,
  MODEL_FORMATS,
  type ModelFormat,
} from '../../src/targets/formats.js';
import { QUANTIZATIONS, type Quantization } from '../../src/targets/quantize.js';
import {
  type CheckpointArguments,
  type Command,
  checkpointOptions,
  type GoldenArguments,
  goldenOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

const SAFETENSORS = 'safetensors';

export interface ConvertArguments extends CheckpointArguments, OutputArguments, GoldenArguments {
  readonly checkpoint: string;
  readonly out: string;
  readonly force: boolean;
  readonly labels: string | undefined;
  /** Undefined: as the ending of `out` tells. */
  readonly format: ModelFormat | typeof SAFETENSORS | undefined;
  readonly input: InputKind | undefined;
  readonly quantize: Quantization | undefined;
  readonly golden: string | undefined;
  readonly trainable: boolean;
}

export const convertCommand: Command<ConvertArguments> = {
  builder: (argv) =>
    goldenOptions(outputOptions(checkpointOptions(argv)))
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'Path or http(s) URL of a .pth or .safetensors file, gzipped or not',
      })
      .positional('out', {
        type: 'string',
        demandOption: true,
        describe: 'Folder for what is written, or a .safetensors file',
      })
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'Replace a folder that is not empty, or a file',
      })
      .option('labels', {
        type: 'string',
        requiresArg: true,
        describe:
          "File with the classes' names, to be kept in the model: one a line, or JSON; 'imagenet' for ImageNet's, which the official weights get by themselves",
      })
      .option('format', {
        choices: [...MODEL_FORMATS, SAFETENSORS],
        requiresArg: true,
        defaultDescription: 'layers, or as the ending of <out> tells',
        describe:
          'A model for tf.loadLayersModel, a frozen graph for tf.loadGraphModel, or the state dict itself',
      })
      .option('input', {
        choices: INPUTS,
        requiresArg: true,
        defaultDescription: 'normalized',
        describe: 'What the model takes; pixels (0 to 255, int32) go with --format graph',
      })
      .option('quantize', {
        choices: QUANTIZATIONS,
        requiresArg: true,
        describe: 'Store the kernels in less than float32; any TensorFlow.js reads them',
      })
      .option('trainable', {
        type: 'boolean',
        default: false,
        describe:
          'Keep BatchNorm, dropout and the auxiliary heads, so that it can be trained and exported',
      })
      .option('golden', {
        type: 'string',
        requiresArg: true,
        describe:
          'Write the model only if it gives the logits in this golden file, and show what each --quantize would cost',
      })
      .example('$0 convert googlenet-1378be20.pth out/', 'the official weights')
      .example('$0 convert finetuned.pth out/ --no-transform-input', 'a fine-tuned model')
      .example('$0 convert net.pth out/ --golden golden.pth', 'only if the logits are right')
      .example('$0 convert finetuned.pth finetuned.safetensors', 'for other tools') as never,
  handler: async (args) => {
    const toFile = args.out.endsWith(`.${SAFETENSORS}`);
    const format = args.format ?? (toFile ? SAFETENSORS : 'layers');
    if (format !== SAFETENSORS) {
      const { convertModel } = await import('../convert-model.js');
      return convertModel(args, format);
    }
    const { convertSafetensors } = await import('../convert-safetensors.js');
    return convertSafetensors(args, toFile);
  },
};
