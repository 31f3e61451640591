import type { CommandModule } from 'yargs';
import type { Inspection, NetworkSummary, TensorSummary } from '../../src/inspect.js';
import { printable } from '../../src/printable.js';
import { CRC32_OPTION } from '../crc32.js';
import { describeContainer } from '../describe-container.js';
import { inFile, readInput } from '../input.js';

interface Arguments {
  readonly checkpoint: string;
  readonly json: boolean;
}

export const inspectCommand: CommandModule<object, Arguments> = {
  command: 'inspect <checkpoint>',
  describe: 'Show what a checkpoint holds, and run nothing of it',
  builder: (argv) =>
    argv
      .positional('checkpoint', {
        type: 'string',
        demandOption: true,
        describe: 'Path or http(s) URL of a .pth or .safetensors file, gzipped or not',
      })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print one JSON object',
      }) as never,
  handler: async ({ checkpoint, json }) => {
    const { bytes } = await readInput(checkpoint, json);
    const { inspectCheckpoint } = await import('../../src/inspect.js');
    const inspection = await inFile(checkpoint, () => inspectCheckpoint(bytes, CRC32_OPTION));
    process.stdout.write(`${json ? JSON.stringify(inspection) : format(checkpoint, inspection)}\n`);
  },
};

function format(name: string, { container, metadata, tensors, networks }: Inspection): string {
  const { gzip, byteLength } = container;
  const size = `${byteLength} bytes${gzip ? ' (gunzipped)' : ''}`;
  const head = `${name}: ${describeContainer(container)}, ${size}`;
  const notes = Object.entries(metadata).map(([key, text]) => `${key}: ${text}`);
  const lines = [head, ...notes, '', ...formatTensors(tensors)].map(printable);
  return [...lines, ...networks.flatMap(formatNetwork)].join('\n');
}

function formatNetwork(network: NetworkSummary): string[] {
  const { name } = network.stateDict;
  const where = printable(name === '.' ? '' : ` in '${name}'`);
  if (!network.fits) return ['', `GoogLeNet${where}, almost: ${printable(network.problem)}`];
  const { main, aux } = network.parameters;
  const counts = `${main.toLocaleString('en-US')} parameters, and ${aux.toLocaleString('en-US')} in auxiliary heads`;
  return ['', `GoogLeNet${where}: ${counts}`, network.tree];
}

function formatTensors(tensors: readonly TensorSummary[]): string[] {
  if (tensors.length === 0) return ['no tensors'];
  const keys = tensors.map(({ key }) => printable(key));
  const width = Math.max(...keys.map((key) => key.length));
  const rows = tensors.map(
    ({ dtype, shape }, i) => `${keys[i]?.padEnd(width)}  ${dtype.padEnd(8)}  [${shape.join(', ')}]`,
  );
  return [`${tensors.length} tensors`, ...rows];
}
