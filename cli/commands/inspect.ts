import { counted, grouped } from '../../src/base/plural.js';
import { printable } from '../../src/base/printable.js';
import type { Inspection, NetworkSummary } from '../../src/inspect.js';
import type { ModelInspection } from '../../src/stored-model/inspect-model.js';
import type { Provenance } from '../../src/stored-model/provenance.js';
import type { AnyModel } from '../../src/stored-model/stored-onnx.js';
import { openSource } from '../checkpoint.js';
import { describeContainer } from '../describe-container.js';
import { withFlags } from '../flags.js';
import { checkHubHash, inFile, printWarnings, shownName, usageError } from '../input.js';
import type { Source } from '../source.js';
import { type Command, type ReadingArguments, readingOptions } from './options.js';

interface Arguments extends ReadingArguments {
  readonly checkpoint: string;
  readonly json: boolean;
}

export const inspectCommand: Command<Arguments> = {
  builder: (argv) =>
    readingOptions(argv)
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe:
          'Path or URL of a .pth or .safetensors file, gzipped or not, or of a converted folder or .onnx file; - for stdin',
      })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print one JSON object',
      }) as never,
  handler: async (args) => {
    const { openModelArgument } = await import('../model-directory.js');
    const { model, source } = await openModelArgument(args.checkpoint, args.json);
    await (model === undefined ? inspectSource(args, source) : inspectStored(args, model));
  },
};

async function inspectSource(args: Arguments, source: Source): Promise<void> {
  const { checkpoint, key, transformInput, json } = args;
  const { inspectCheckpoint } = await import('../../src/inspect.js');
  const { name, checkpoint: file } = await openSource(source);
  const options = { key, transformInput };
  const inspection = withFlags(await inFile(checkpoint, () => inspectCheckpoint(file, options)));
  const warnings = [
    ...inspection.warnings,
    ...(args.checkHash ? checkHubHash(name, inspection.sha256) : []),
  ];
  if (!json) printWarnings(warnings);
  print(args, inspection, () => format(shownName(checkpoint), inspection));
}

async function inspectStored(args: Arguments, model: AnyModel): Promise<void> {
  if (args.key !== undefined || args.transformInput !== undefined) {
    throw usageError(
      '--key and --transform-input go with a checkpoint, not with a converted model',
    );
  }
  const { inspectModel } = await import('../../src/stored-model/inspect-model.js');
  const inspection = await inFile(args.checkpoint, async () => inspectModel(model));
  print(args, inspection, () => formatModel(shownName(args.checkpoint), inspection));
}

function print({ json }: Arguments, inspection: object, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(inspection) : text()}\n`);
}

function format(name: string, inspection: Inspection): string {
  const { container, metadata, tensors, networks, transformInput } = inspection;
  const { gzip, byteLength } = container;
  const size = `${counted(byteLength, 'byte')}${gzip ? ' (gunzipped)' : ''}`;
  const head = `${name}: ${describeContainer(container)}, ${size}`;
  const notes = Object.entries(metadata).map(([key, text]) => `${key}: ${text}`);
  const known =
    transformInput === null ? 'unknown, for a state dict does not record it' : flag(transformInput);
  const network = networks.length === 0 ? [] : [`transform_input: ${known}`];
  const lines = [head, ...notes, ...network, '', ...formatTensors(tensors)].map(printable);
  return [...lines, ...networks.flatMap(formatNetwork)].join('\n');
}

function formatModel(name: string, inspection: ModelInspection): string {
  const { format: kind, files, bytes, tensors, provenance } = inspection;
  const sizes = `${counted(files, 'file')}, ${counted(bytes, 'byte')}`;
  const what = kind === 'onnx' ? 'ONNX model' : `${kind} model of TensorFlow.js`;
  const head = `${name}: ${what}, ${sizes}`;
  const notes = provenance === null ? ['made by others'] : formatProvenance(provenance);
  return [head, ...notes, '', ...formatTensors(tensors)].map(printable).join('\n');
}

function formatProvenance(provenance: Provenance): string[] {
  const { tool, source, numClasses, transformInput, branch3Kernel, input } = provenance;
  const made =
    source === null
      ? 'trained since it was converted'
      : `from ${source.name ?? 'a checkpoint'}, SHA-256 ${source.sha256 ?? 'unknown'}`;
  const side = input.shape[2];
  return [
    `made: by ${tool}, ${made}`,
    `network: GoogLeNet, ${counted(numClasses, 'class', 'classes')}, branch3 ${branch3Kernel}x${branch3Kernel}`,
    `transform_input: ${flag(transformInput)}`,
    `input: ${input.layout}, ${side}x${side} ${input.channels}, ${input.kind}`,
  ];
}

function formatNetwork(network: NetworkSummary): string[] {
  const { name } = network.stateDict;
  const where = printable(name === '.' ? '' : ` in '${name}'`);
  if (!network.fits) {
    const problem = [network.problem, network.hint].filter(Boolean).join('; ');
    return ['', `GoogLeNet${where}, almost: ${printable(problem)}`];
  }
  const { main, aux } = network.parameters;
  const counts = `${counted(main, 'parameter')}, and ${grouped(aux)} in auxiliary heads`;
  return ['', `GoogLeNet${where}: ${counts}`, network.tree];
}

function formatTensors(tensors: ModelInspection['tensors']): string[] {
  if (tensors.length === 0) return ['no tensors'];
  const keys = tensors.map(({ key }) => printable(key));
  const width = Math.max(...keys.map((key) => key.length));
  const rows = tensors.map(
    ({ dtype, shape }, i) => `${keys[i]?.padEnd(width)}  ${dtype.padEnd(8)}  [${shape.join(', ')}]`,
  );
  return [counted(tensors.length, 'tensor'), ...rows];
}

function flag(value: boolean): string {
  return value ? 'on' : 'off';
}
