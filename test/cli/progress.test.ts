import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { statusLine, terminalProgress } from '../../cli/progress.js';

const CLEAR = '\r\x1b[K';

/** A stream that keeps what is drawn on it. */
function fakeStream(isTTY: boolean, columns?: number) {
  const writes: string[] = [];
  const write = (text: string) => writes.push(text);
  return { writes, stream: { isTTY, columns, write } as unknown as NodeJS.WriteStream };
}

/** The line that is drawn after `seconds` with `received` bytes. */
function lineAt(columns: number, name: string, total: number | undefined, received: number) {
  const { stream, writes } = fakeStream(true, columns);
  const bar = terminalProgress(stream, name);
  bar.start(total);
  vi.advanceTimersByTime(2000);
  bar.update(received);
  expect(writes).toHaveLength(1);
  expect(writes[0]?.startsWith(CLEAR)).toBe(true);
  return writes[0]?.slice(CLEAR.length) ?? '';
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  vi.stubEnv('TERM', 'xterm');
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe('terminalProgress', () => {
  it('draws name, bar, percent, size, rate and time left', () => {
    expect(lineAt(80, 'googlenet-1378be20.pth', 52_000_000, 13_000_000)).toBe(
      'googlenet-1378be20.pth [###-----------]  25%  13.0/52.0 MB  6.5 MB/s  0:06 left',
    );
  });

  it('draws bytes and rate when the total is unknown', () => {
    expect(lineAt(80, 'model.pth', undefined, 13_000_000)).toBe('model.pth 13.0 MB  6.5 MB/s');
  });

  it('counts minutes and hours', () => {
    expect(lineAt(100, 'a', 1_000_000_000, 10_000_000)).toContain('  3:18 left');
    expect(lineAt(100, 'a', 100_000_000_000, 10_000_000)).toContain('  5:33:18 left');
    expect(lineAt(100, 'a', 1e12, 1)).toContain('  >99 h left');
  });

  it.each([1, 5, 20, 40, 47, 55, 60, 66, 80, 200])('fits %i columns', (columns) => {
    const name = `${'long-name-'.repeat(9)}1378be20.pth`;
    for (const total of [52_000_000, undefined]) {
      expect(lineAt(columns, name, total, 13_000_000).length).toBeLessThan(columns);
    }
  });

  it('keeps the end of a name that is too long', () => {
    const line = lineAt(80, `${'x'.repeat(100)}-1378be20.pth`, 52_000_000, 13_000_000);
    expect(line).toMatch(/^\.\.\.x*-1378be20\.pth \[#*-*\] /);
  });

  it('takes 80 columns when the terminal does not tell', () => {
    const { stream, writes } = fakeStream(true);
    const bar = terminalProgress(stream, 'x'.repeat(200));
    bar.start(52_000_000);
    bar.update(1);
    expect(writes[0]?.length).toBe(CLEAR.length + 79);
  });

  it('redraws at most ten times a second and clears the line at the end', () => {
    const { stream, writes } = fakeStream(true, 80);
    const bar = terminalProgress(stream, 'model.pth');
    bar.start(1000);
    for (let received = 0; received < 1000; received++) {
      bar.update(received);
      vi.advanceTimersByTime(1);
    }
    expect(writes).toHaveLength(10);
    bar.end();
    expect(writes).toHaveLength(11);
    expect(writes.at(-1)).toBe(CLEAR);
  });

  it('starts no timer', () => {
    const bar = terminalProgress(fakeStream(true, 80).stream);
    bar.start(10);
    bar.update(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('never claims more than 100 percent or a negative time', () => {
    expect(lineAt(80, 'a', 1_000_000, 2_000_000)).toContain(
      '100%  2.0/1.0 MB  1.0 MB/s  0:00 left',
    );
  });

  it('lets no escape code of a name reach the terminal', () => {
    expect(lineAt(80, 'a\x1b[2Jb\n\u5b57.pth', undefined, 1)).toMatch(/^a\?\[2Jb\?\?\.pth /);
  });

  it('writes nothing when the stream is no terminal, or a dumb one', () => {
    const pipe = fakeStream(false, 80);
    const dumb = fakeStream(true, 80);
    const bars = [terminalProgress(pipe.stream)];
    vi.stubEnv('TERM', 'dumb');
    bars.push(terminalProgress(dumb.stream));
    for (const bar of bars) {
      bar.start(10);
      bar.update(10);
      bar.end();
    }
    expect([...pipe.writes, ...dumb.writes]).toEqual([]);
  });

  it('writes nothing at the end when nothing was drawn', () => {
    const { stream, writes } = fakeStream(true, 80);
    const bar = terminalProgress(stream);
    bar.start(10);
    bar.end();
    expect(writes).toEqual([]);
  });
});

describe('statusLine', () => {
  it('draws over itself, fits the terminal, and leaves nothing', () => {
    const { stream, writes } = fakeStream(true, 20);
    const line = statusLine(stream, false);
    line.show('webgpu: image 2 of 4 (25 %)');
    line.show('webgpu: \x1b[2Jimage 3');
    line.clear();
    line.clear();
    expect(writes).toEqual([`${CLEAR}webgpu: image 2 of `, `${CLEAR}webgpu: ?[2Jimage 3`, CLEAR]);
  });

  it.each([true, false])('says nothing when quiet, on a terminal or not', (isTTY) => {
    const { stream, writes } = fakeStream(isTTY, 80);
    const line = statusLine(stream, true);
    line.show('webgpu: image 2 of 4 (25 %)');
    vi.advanceTimersByTime(60_000);
    line.show('webgpu: image 3 of 4 (50 %)');
    line.clear();
    expect(writes).toEqual([]);
  });

  it.each([
    ['a pipe', false, 'xterm'],
    ['a dumb terminal', true, 'dumb'],
  ])('tells %s in lines of what takes long, and not of what does not', (_, isTTY, term) => {
    vi.stubEnv('TERM', term);
    const { stream, writes } = fakeStream(isTTY, 80);
    const line = statusLine(stream, false);
    line.show('image 1');
    vi.advanceTimersByTime(9000);
    line.show('image 2');
    expect(writes).toEqual([]);
    vi.advanceTimersByTime(900);
    line.show('image 3');
    vi.advanceTimersByTime(101);
    expect(writes).toEqual(['image 3\n']);
    vi.advanceTimersByTime(5000);
    line.show('image 4');
    line.clear();
    vi.advanceTimersByTime(60_000);
    expect(writes).toEqual(['image 3\n']);
  });

  it('tells of a search sooner', () => {
    const { stream, writes } = fakeStream(false);
    const line = statusLine(stream, false);
    line.show('image 1');
    line.show('looking for the cause: softmax', true);
    vi.advanceTimersByTime(3001);
    expect(writes).toEqual(['looking for the cause: softmax\n']);
  });

  it('goes on telling of one step that takes minutes', () => {
    const { stream, writes } = fakeStream(false);
    const line = statusLine(stream, false);
    line.show('image 1');
    vi.advanceTimersByTime(10_001 + 60_000);
    expect(writes).toEqual(['image 1\n', 'image 1\n', 'image 1\n']);
    line.clear();
    expect(vi.getTimerCount()).toBe(0);
  });
});
