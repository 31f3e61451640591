import { counted } from '../../src/base/plural.js';
import { printable } from '../../src/base/printable.js';
import { FLOAT_DTYPES, type FloatDType } from '../../src/checkpoint/tensor/float-dtypes.js';
import type { Export } from '../../src/export.js';
import { CRC32_OPTION } from '../crc32.js';
import { inFile, printJSON, printWarnings, shownName, usageError } from '../input.js';
import { type Command, type OutputArguments, outputOptions } from './options.js';

interface Arguments extends OutputArguments {
  readonly model: string;
  readonly file: string;
  readonly legacy: boolean;
  readonly dtype: FloatDType | undefined;
  readonly identityBn: boolean;
  readonly force: boolean;
}

export const exportCommand: Command<Arguments> = {
  builder: (argv) =>
    outputOptions(argv)
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'Folder written by convert --trainable or by training',
      })
      .positional('file', {
        type: 'string',
        demandOption: true,
        describe: 'Checkpoint to write, such as finetuned.pth',
      })
      .option('legacy', {
        type: 'boolean',
        default: false,
        describe: 'Write the container used before torch 1.6, which every torch reads',
      })
      .option('dtype', {
        choices: FLOAT_DTYPES,
        requiresArg: true,
        describe:
          'Type of the tensors; default: float32, or that of the source checkpoint if the model was not trained since',
      })
      .option('identity-bn', {
        type: 'boolean',
        default: false,
        describe: 'For a model with folded BatchNorm: add one that changes nothing',
      })
      .option('force', { type: 'boolean', default: false, describe: 'Replace an existing file' })
      .example('$0 export out/ finetuned.pth', 'back to PyTorch') as never,
  handler: async (args) => {
    const { model, file, force, dtype } = args;
    const { checkFile, writeWhole } = await import('../write-file.js');
    await checkFile(file, { force });
    const { openModelArgument } = await import('../model-directory.js');
    const { model: stored } = await openModelArgument(model, args.quiet || args.json);
    if (stored === undefined) {
      throw usageError(
        `${shownName(model)} is a file, not the folder of a model`,
        'pass a folder that pth2tfjs convert --trainable wrote',
      );
    }
    if (stored.format === 'onnx') {
      throw usageError(
        `${shownName(model)} is an ONNX model, whose BatchNorm is folded for good`,
        'pass a folder that pth2tfjs convert --trainable wrote',
      );
    }
    const { exportStored } = await import('../../src/export.js');
    const exported = await inFile(model, async () =>
      exportStored(stored, {
        format: args.legacy ? 'legacy' : 'zip',
        dtype,
        identityBatchNorm: args.identityBn,
        ...CRC32_OPTION,
      }),
    );
    await writeWhole(file, exported.bytes, { force });
    print(args, exported);
  },
};

function print({ file, legacy, json, quiet }: Arguments, exported: Export): void {
  const { bytes, stateDict, dtype, options, warnings } = exported;
  const { numClasses, auxClasses, transformInput } = options;
  const container = legacy ? 'legacy' : 'zip';
  if (json) {
    const facts = { file, container, bytes: bytes.length, tensors: stateDict.size, dtype };
    const network = { numClasses, auxLogits: auxClasses !== undefined, transformInput };
    printJSON({ ...facts, ...network, warnings });
  } else if (!quiet) {
    const size = `${(bytes.length / 1e6).toFixed(1)} MB`;
    const rows = [
      `written  ${file}: ${container}, ${size}, ${counted(stateDict.size, 'tensor')}, ${dtype}`,
      `in torch  ${pythonCall(options)}`,
    ];
    process.stdout.write(`${rows.map(printable).join('\n')}\n`);
    printWarnings(warnings);
  }
}

/** What `load_state_dict` has to be called on. */
function pythonCall({ numClasses, auxClasses, transformInput }: Export['options']): string {
  const bool = (value: boolean) => (value ? 'True' : 'False');
  return `googlenet(weights=None, num_classes=${numClasses}, aux_logits=${bool(auxClasses !== undefined)}, transform_input=${bool(transformInput)}, init_weights=False)`;
}
