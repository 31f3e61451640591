import type { CommandModule } from 'yargs';
import { type ConvertArguments, convertOptions, SAFETENSORS } from './convert-options.js';

export const convertCommand: CommandModule<object, ConvertArguments> = {
  command: 'convert <checkpoint> <out>',
  describe: 'Convert a GoogLeNet checkpoint to a TensorFlow.js model or to safetensors',
  builder: (argv) => convertOptions(argv),
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
