/** stdin is bounded while it comes; and what gathers bytes, wherever they come from. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Collector, collectStream } from '../../src/base/collect.js';
import { SLOW } from '../helpers/tiers.js';

const GIB = 2 ** 30;
/** What Node, undici and the kernel may hold of a stream that nobody reads any more. */
const IN_FLIGHT = 2 ** 20;
const CHUNK = new Uint8Array(2 ** 16).fill(120);

describe('Collector', () => {
  test.each([0, 1, 2 ** 16, 2 ** 16 + 1, 5_000_000])(
    'gives back %i bytes, announced or not',
    async (size) => {
      const bytes = Uint8Array.from({ length: size }, (_, i) => i * 31 + (i >> 8));
      for (const announced of [undefined, 0, size, size + 7, Math.max(0, size - 7)]) {
        const collector = new Collector('it', 6_000_000, announced);
        const whole = await collectStream(new Blob([bytes]).stream(), collector);
        expect(Buffer.compare(whole, bytes)).toBe(0);
        expect(whole.buffer.byteLength).toBe(size);
      }
    },
  );

  test('is right beyond the size where it takes all the room at once', async () => {
    const collector = new Collector('it', 2 ** 27);
    const part = new Uint8Array(2 ** 22);
    for (let i = 0; i < 20; i++) collector.add(part.fill(i));
    const whole = collector.finish();
    expect(whole).toHaveLength(20 * 2 ** 22);
    for (let i = 0; i < 20; i++)
      expect([i, whole[i * 2 ** 22], whole[(i + 1) * 2 ** 22 - 1]]).toEqual([i, i, i]);
  });
});

describe('stdin', () => {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

  /** What inspect says of what is piped in, and how much it had taken by then. */
  async function inspectPipe(bytes: number, chunk: Uint8Array = CHUNK) {
    const child = spawn(process.execPath, [main, 'inspect', '-']);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    let written = 0;
    child.stdin.on('error', () => {});
    const go = () => {
      while (written < bytes) {
        written += chunk.length;
        if (!child.stdin.write(chunk)) return;
      }
      child.stdin.end();
    };
    child.stdin.on('drain', go);
    go();
    const status = await new Promise((resolve) => child.on('close', resolve));
    return { status, stderr, written };
  }

  test('without end is left at 1 GiB', SLOW, async () => {
    const { status, stderr, written } = await inspectPipe(Infinity);
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^pth2tfjs: stdin has at least 107[34]\d{6} bytes, more than the limit of 1073741824; .*\n$/,
    );
    expect(written).toBeLessThan(GIB + 64 * IN_FLIGHT);
  });

  test('that is empty says so', async () => {
    expect(await inspectPipe(0)).toMatchObject({
      status: 2,
      stderr: 'pth2tfjs: stdin: the file is empty; download it again\n',
    });
  });
});
