import type { Argv } from 'yargs';
import { QUANTIZATIONS, type Quantization } from '../../src/stored-model/quantization.js';
import {
  INPUTS,
  type InputKind,
  MODEL_FORMATS,
  type ModelFormat,
} from '../../src/targets/formats.js';
import {
  type CheckpointArguments,
  checkpointOptions,
  type GoldenArguments,
  goldenOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

export const SAFETENSORS = 'safetensors';

/** Every kind of output; a file is named after it. */
export type OutputFormat = ModelFormat | typeof SAFETENSORS;

export interface ConvertArguments extends CheckpointArguments, OutputArguments, GoldenArguments {
  readonly checkpoint: string;
  readonly out: string;
  readonly force: boolean;
  readonly labels: string | undefined;
  /** Undefined: as the ending of `out` tells. */
  readonly format: OutputFormat | undefined;
  readonly input: InputKind | undefined;
  readonly quantize: Quantization | undefined;
  readonly golden: string | undefined;
  readonly trainable: boolean;
}

/** The options of `convert`. */
export function convertOptions(argv: Argv): Argv<ConvertArguments> {
  return goldenOptions(outputOptions(checkpointOptions(argv)))
    .positional('checkpoint', {
      type: 'string',
      demandOption: true,
      describe: 'Path or URL of a .pth or .safetensors file, gzipped or not; - for stdin',
    })
    .positional('out', {
      type: 'string',
      demandOption: true,
      describe: 'Folder to write, or a .onnx or .safetensors file',
    })
    .option('force', {
      type: 'boolean',
      default: false,
      describe: 'Replace an existing file, or a folder that is not empty',
    })
    .option('labels', {
      type: 'string',
      requiresArg: true,
      describe:
        "File with class names to keep in the model: one per line, or JSON; 'imagenet' for ImageNet's, the default for the official weights",
    })
    .option('format', {
      choices: [...MODEL_FORMATS, SAFETENSORS],
      requiresArg: true,
      defaultDescription: 'as the ending of <out> says, else layers',
      describe:
        'layers for tf.loadLayersModel, graph for tf.loadGraphModel, onnx for ONNX Runtime, or safetensors for the state dict itself',
    })
    .option('input', {
      choices: INPUTS,
      requiresArg: true,
      defaultDescription: 'normalized',
      describe: 'What the model takes; pixels (0 to 255) need --format graph or onnx',
    })
    .option('quantize', {
      choices: QUANTIZATIONS,
      requiresArg: true,
      describe: 'Store the kernels in fewer bits; ONNX takes only float16',
    })
    .option('trainable', {
      type: 'boolean',
      default: false,
      describe:
        'Keep BatchNorm, dropout and the auxiliary heads, so that the model can be trained and exported',
    })
    .option('golden', {
      type: 'string',
      requiresArg: true,
      describe:
        'Write the model only if it gives the logits in this golden file; also shows what each --quantize would cost',
    })
    .example('$0 convert googlenet-1378be20.pth out/', 'the official weights')
    .example('$0 convert finetuned.pth out/ --no-transform-input', 'a fine-tuned model')
    .example('$0 convert net.pth out/ --golden golden.pth', 'only if the logits are right')
    .example('$0 convert finetuned.pth finetuned.onnx', 'for ONNX Runtime')
    .example('$0 convert finetuned.pth finetuned.safetensors', 'for other tools') as never;
}
