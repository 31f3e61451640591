interface Entry {
  readonly command: string;
  readonly describe: string;
  /** What it cannot do without, in words. */
  readonly needs: string;
  readonly load: () => Promise<object>;
}

/** In the order in which help lists them; each is loaded when it is asked for, not to be listed. */
export const COMMANDS: ReadonlyMap<string, Entry> = new Map([
  [
    'convert',
    {
      command: 'convert <checkpoint> <out>',
      describe: 'Convert a GoogLeNet checkpoint to a TensorFlow.js model, ONNX or safetensors',
      needs: '<checkpoint> and <out>',
      load: async () => (await import('./commands/convert.js')).convertCommand,
    },
  ],
  [
    'verify',
    {
      command: 'verify <model>',
      describe: "Compare a model's logits with PyTorch's",
      needs: '<model>',
      load: async () => (await import('./commands/verify.js')).verifyCommand,
    },
  ],
  [
    'classify',
    {
      command: 'classify <model> <images..>',
      describe: 'Classify images, as torchvision would',
      needs: '<model> and <images..>',
      load: async () => (await import('./commands/classify.js')).classifyCommand,
    },
  ],
  [
    'export',
    {
      command: 'export <model> <file>',
      describe: 'Write a trainable model as a PyTorch checkpoint',
      needs: '<model> and <file>',
      load: async () => (await import('./commands/export.js')).exportCommand,
    },
  ],
  [
    'inspect',
    {
      command: 'inspect <checkpoint>',
      describe: 'Show what a checkpoint or a converted model holds, without running any of it',
      needs: '<checkpoint>',
      load: async () => (await import('./commands/inspect.js')).inspectCommand,
    },
  ],
]);
