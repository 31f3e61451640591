import type { CommandModule } from 'yargs';
import type { Inspection, TensorSummary } from '../../src/inspect.js';
import { CRC32_OPTION } from '../crc32.js';
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
        describe: 'Path or http(s) URL of a .pth file, gzipped or not',
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

function format(name: string, { container, tensors, networks }: Inspection): string {
  const { format: kind, version, pickleProtocol, byteOrder, gzip, byteLength } = container;
  const head = `${name}: ${kind} version ${version}, pickle protocol ${pickleProtocol}, ${byteOrder}-endian, ${byteLength} bytes${gzip ? ' (gunzipped)' : ''}`;
  const trees = networks.flatMap(({ path, fits, problem, parameters, tree }) => {
    const where = path === '' ? '' : ` in '${path}'`;
    if (!fits) return ['', `GoogLeNet${where}, but ${problem}`];
    const counts = `${parameters?.main.toLocaleString('en-US')} parameters, and ${parameters?.aux.toLocaleString('en-US')} in auxiliary heads`;
    return ['', `GoogLeNet${where}: ${counts}`, tree ?? ''];
  });
  return [head, '', ...formatTensors(tensors), ...trees].join('\n');
}

function formatTensors(tensors: readonly TensorSummary[]): string[] {
  if (tensors.length === 0) return ['no tensors'];
  const width = Math.max(...tensors.map(({ key }) => key.length));
  const rows = tensors.map(
    ({ key, dtype, shape }) =>
      `${printable(key).padEnd(width)}  ${dtype.padEnd(8)}  [${shape.join(', ')}]`,
  );
  return [`${tensors.length} tensors`, ...rows];
}

/** Control characters in a key must not reach the terminal. */
function printable(key: string): string {
  return key.replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
