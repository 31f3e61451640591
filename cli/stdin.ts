import { fstatSync } from 'node:fs';
import { Collector } from '../src/base/collect.js';
import { Pth2tfjsError } from '../src/base/errors.js';
import { reason } from './read-errors.js';

/** What a lone `-` is called within: yargs drops it from a list of arguments. */
export const STDIN = 'stdin:';

export function nameStdin(argv: readonly string[]): readonly string[] {
  return argv.map((argument) => argument.replace(/^(--[a-z-]+=)?-$/, `$1${STDIN}`));
}

/** There is only one, and it can be read only once. */
let taken = false;

/**
 * All of standard input.
 * @throws Pth2tfjsError `usage` for a terminal, and when it is read again; `limit` as soon as it is beyond
 *   `maxBytes`; `io` when it cannot be read
 */
export async function readStdin(maxBytes: number): Promise<Uint8Array> {
  if (taken) {
    throw new Pth2tfjsError('usage', 'stdin can be read only once, and - is given twice', {
      hint: 'save one of the inputs to a file and pass its path',
    });
  }
  if (process.stdin.isTTY) {
    throw new Pth2tfjsError('usage', 'stdin is a terminal', {
      hint: 'pipe the file in, such as: pth2tfjs inspect - < FILE',
    });
  }
  taken = true;
  try {
    return await collect(new Collector('stdin', maxBytes, sizeOfStdin()));
  } finally {
    // Whoever writes into the pipe learns that nobody reads on.
    process.stdin.destroy();
  }
}

async function collect(collector: Collector): Promise<Uint8Array> {
  const chunks = process.stdin[Symbol.asyncIterator]();
  for (let part = await chunks.next().catch(unreadable); !part.done; ) {
    collector.add(part.value as Uint8Array);
    part = await chunks.next().catch(unreadable);
  }
  return collector.finish();
}

/** Where it is a file, its size tells at once whether it is too large. */
function sizeOfStdin(): number | undefined {
  try {
    const info = fstatSync(0);
    return info.isFile() ? info.size : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(cause: unknown): never {
  throw new Pth2tfjsError('io', `stdin cannot be read: ${reason(cause)}`, {
    hint: 'save the data to a file and pass its path',
    cause,
  });
}
