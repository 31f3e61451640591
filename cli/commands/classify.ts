import type { GoogLeNet, Prediction } from '../../src/app/googlenet.js';
import { isPth2tfjsError, type Pth2tfjsError } from '../../src/base/errors.js';
import { printable } from '../../src/base/printable.js';
import type { RawImage } from '../../src/image/preprocess.js';
import { BACKEND_NAMES, type BackendName, formatsOf } from '../../src/runtimes/backend.js';
import type { ReadyBackend } from '../../src/runtimes/start-backend.js';
import type { AnyModel } from '../../src/stored-model/stored-onnx.js';
import { EXIT } from '../exit-codes.js';
import { fastestBackends } from '../fastest-backends.js';
import { expandImages, readImage } from '../image-files.js';
import { inFile, printJSON, printWarnings, shownName, usageError } from '../input.js';
import { readLabels } from '../labels.js';
import { readModel } from '../model.js';
import { statusLine } from '../progress.js';
import { HOST } from '../run-verification.js';
import {
  type CheckpointArguments,
  type Command,
  checkpointOptions,
  type OutputArguments,
  outputOptions,
} from './options.js';

interface Arguments extends CheckpointArguments, OutputArguments {
  readonly model: string;
  readonly images: readonly string[];
  readonly top: number;
  readonly batch: number;
  readonly labels: string | undefined;
  readonly backend: BackendName | undefined;
}

/** What became of one image. */
type Outcome =
  | { readonly image: string; readonly predictions: readonly Prediction[] }
  | { readonly image: string; readonly error: Pth2tfjsError };

export const classifyCommand: Command<Arguments> = {
  builder: (argv) =>
    outputOptions(checkpointOptions(argv))
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'Folder or .onnx file that convert wrote, or a checkpoint (converted in memory)',
      })
      .positional('images', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'JPEG, PNG, WebP or GIF: paths, patterns, URLs, or - for stdin',
      })
      .option('top', {
        type: 'number',
        requiresArg: true,
        default: 5,
        describe: 'How many classes to print per image',
      })
      .option('batch', {
        type: 'number',
        requiresArg: true,
        default: 8,
        describe: 'How many images to run at once',
      })
      .option('labels', {
        type: 'string',
        requiresArg: true,
        describe: "File with class names, one per line, or JSON; 'imagenet' for ImageNet's",
      })
      .option('backend', {
        choices: BACKEND_NAMES,
        requiresArg: true,
        defaultDescription: 'the first installed of onnx, tensorflow and wasm that runs the model',
        describe: 'What to run on',
      })
      .example('$0 classify out/ photos/*.jpg', 'the five best classes of each photo')
      .example(
        '$0 classify googlenet-1378be20.pth - < cat.jpg',
        'with the official weights',
      ) as never,
  handler: async (args) => {
    for (const option of ['top', 'batch'] as const) {
      if (Number.isInteger(args[option]) && args[option] > 0) continue;
      throw usageError(`--${option} takes a whole number of at least 1`);
    }
    const images = await expandImages(args.images);
    const { model, backend, warnings, stop } = await load(args);
    try {
      const outcomes: Outcome[] = [];
      for await (const outcome of classifyAll(model, images, args)) {
        outcomes.push(outcome);
        if (!args.json) print(outcome, args);
      }
      if (args.json) {
        const json = {
          model: shownName(args.model),
          backend,
          images: outcomes.map(toJSON),
          warnings,
        };
        printJSON(json);
      }
      // Nobody chose it; said last, so that what goes wrong before stands alone.
      if (args.backend === undefined && !args.quiet && !args.json) {
        process.stderr.write(`${printable(`ran on ${backend.name} (${backend.device})`)}\n`);
      }
      if (outcomes.some((outcome) => 'error' in outcome)) process.exitCode = EXIT.badInput;
    } finally {
      model.dispose();
      await stop();
    }
  },
};

async function load(args: Arguments) {
  const { labels } = args.labels === undefined ? {} : await readLabels(args.labels);
  const choice = args.backend === undefined ? await fastestBackends() : [args.backend];
  const [format] = formatsOf(choice[0] as BackendName);
  const { models, warnings } = await readModel(args, { formats: [format] });
  const [model] = models;
  if (!args.quiet) printWarnings(warnings);
  // Keeps TensorFlow.js from advertising its other packages on stderr.
  const { enableProdMode } = await import('@tensorflow/tfjs-core');
  enableProdMode();
  const { prepareBackend } = await import('../../src/runtimes/backends.js');
  const runs = choice.find((name) => formatsOf(name).some((each) => each === model.format));
  // Of those that are not installed, starting says what is missing.
  const name = args.backend ?? runs ?? (model.format === 'onnx' ? 'onnx' : 'wasm');
  const backend = await prepareBackend(name, HOST);
  const { info, stop } = backend;
  try {
    return {
      model: await build(args.model, model, labels, backend),
      backend: info,
      warnings,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(
  name: string,
  model: AnyModel,
  labels: readonly string[] | undefined,
  backend: ReadyBackend,
): Promise<GoogLeNet> {
  const { GoogLeNet } = await import('../../src/app/googlenet.js');
  return inFile(name, async () => new GoogLeNet(await backend.load(model), labels));
}

/** Batch by batch; an image that cannot be read does not keep the others from being classified. */
async function* classifyAll(
  model: GoogLeNet,
  images: readonly string[],
  { batch, top, quiet }: Arguments,
): AsyncGenerator<Outcome> {
  const status = statusLine(process.stderr, quiet || images.length === 1);
  try {
    for (let start = 0; start < images.length; start += batch) {
      const names = images.slice(start, start + batch);
      status.show(progressBar(start, images.length, names[0] as string));
      const decoded = await Promise.all(names.map(decode));
      const good = decoded.filter((each) => 'pixels' in each);
      const rows =
        good.length === 0
          ? []
          : await model.classify(
              good.map(({ pixels }) => pixels),
              { topK: top },
            );
      const predictions = new Map(good.map(({ image }, i) => [image, rows[i] ?? []]));
      status.clear();
      for (const each of decoded) {
        if ('error' in each) yield each;
        else yield { image: each.image, predictions: predictions.get(each.image) ?? [] };
      }
    }
  } finally {
    status.clear();
  }
}

type Decoded =
  | { readonly image: string; readonly pixels: RawImage }
  | { readonly image: string; readonly error: Pth2tfjsError };

async function decode(image: string): Promise<Decoded> {
  const { decodeImage } = await import('../decode-image.js');
  try {
    const bytes = await readImage(image);
    return { image, pixels: await inFile(image, () => decodeImage(bytes)) };
  } catch (error) {
    // What is wrong with the call or the installation is wrong for all images.
    if (!isPth2tfjsError(error) || error.code === 'usage') throw error;
    return { image, error };
  }
}

function progressBar(done: number, total: number, name: string): string {
  const width = 20;
  const filled = Math.floor((width * done) / total);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${done}/${total} ${name}`;
}

function print(outcome: Outcome, { quiet }: Arguments): void {
  if ('error' in outcome) {
    const { message, hint } = outcome.error;
    process.stderr.write(`pth2tfjs: ${printable([message, hint].filter(Boolean).join('; '))}\n`);
  } else if (!quiet) {
    const rows = outcome.predictions.map(
      ({ probability, className, index }) =>
        `  ${probability.toFixed(4)}  ${className === `class ${index}` ? className : `${className} (${index})`}`,
    );
    process.stdout.write(`${[outcome.image, ...rows].map(printable).join('\n')}\n`);
  }
}

function toJSON(outcome: Outcome) {
  if ('predictions' in outcome) return outcome;
  const { code, message, hint } = outcome.error;
  return { image: outcome.image, error: { code, message, hint } };
}
