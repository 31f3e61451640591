import { usageError } from '../input.js';
import { type ConvertArguments, convertOptions, SAFETENSORS } from './convert-options.js';
import type { Command } from './options.js';

export const convertCommand: Command<ConvertArguments> = {
  builder: (argv) => convertOptions(argv),
  handler: async (args) => {
    const named = FILES.find((format) => args.out.endsWith(`.${format}`));
    const format = args.format ?? named ?? 'layers';
    const toFile = named !== undefined;
    if (toFile && format !== named) {
      const hint = `drop --format, or choose a name that does not end in .${named}`;
      throw usageError(`${args.out} ends in .${named}, and --format is ${format}`, hint);
    }
    if (format !== SAFETENSORS) {
      const { convertModel } = await import('../convert-model.js');
      return convertModel(args, format, toFile);
    }
    const { convertSafetensors } = await import('../convert-safetensors.js');
    return convertSafetensors(args, toFile);
  },
};

/** The formats that are a single file, which has their name as its ending. */
const FILES = ['onnx', SAFETENSORS] as const;
