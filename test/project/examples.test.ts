/** The examples, run as their READMEs say, in projects that have the packed package. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright';
import { build, createLogger, type Rolldown } from 'vite';
import { beforeAll, describe, expect, test } from 'vitest';
import { IMAGENET_LABELS } from '../../src/image/imagenet-labels.js';
import { CHROMIUM, launchOptions } from '../helpers/chromium.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { installExample } from './installed.js';

const VITE = fileURLToPath(new URL('../../node_modules/vite/bin/vite.js', import.meta.url));
const checkpoint = join(GOLDEN, 'googlenet.pth.gz');

/** torchvision's five best classes of a photo in golden/photos, at 224 pixels or at 64. */
function truthOf(
  file: string,
  size: 224 | 64,
): readonly { className: string; probability: number }[] {
  const { photos } = JSON.parse(readFileSync(join(GOLDEN, 'photos', 'photos.json'), 'utf8'));
  const photo = photos.find((each: { file: string }) => each.file === file);
  const top5 = size === 224 ? photo.top5 : photo.top5_of_64;
  return top5.map(({ index, probability }: { index: number; probability: number }) => ({
    className: IMAGENET_LABELS[index],
    probability,
  }));
}

/** Lines with a name and a probability, which are torchvision's within the promised 1e-3. */
function expectTruth(lines: readonly string[], file: string, size: 224 | 64 = 224): void {
  const names = lines.map((line) => line.replace(/0\.\d{4}/, '').trim());
  const truth = truthOf(file, size);
  expect(names).toEqual(truth.map(({ className }) => className));
  for (const [i, { probability }] of truth.entries()) {
    const shown = Number(/0\.\d{4}/.exec(lines[i] as string)?.[0]);
    expect(Math.abs(shown - probability)).toBeLessThan(1e-3);
  }
}

function run(cwd: string, ...args: readonly string[]): string {
  return execFileSync(process.execPath, args, { cwd, encoding: 'utf8' });
}

describe('examples/node', () => {
  const project = temporaryFolder();
  beforeAll(() => installExample(project, 'node'));

  test('classifies photos with a checkpoint', () => {
    const photos = ['photo.jpg', 'photo.png'].map((name) => join(GOLDEN, 'photos', name));
    const lines = run(project, 'classify.js', checkpoint, ...photos)
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(12);
    expect([lines[0], lines[6]]).toEqual(photos);
    expectTruth(lines.slice(1, 6), 'photo.jpg');
    expectTruth(lines.slice(7), 'photo.png');
  });

  test('and its source is short', () => {
    expect(linesOf(join(project, 'classify.js'))).toBeLessThan(40);
  });
});

describe('examples/browser', SLOW, () => {
  const project = temporaryFolder();
  const warnings: string[] = [];
  let output: readonly Rolldown.OutputChunk[];

  beforeAll(async () => {
    installExample(project, 'browser');
    const main = join('node_modules', 'pth2tfjs', 'dist', 'cli', 'main.js');
    // At the size that a GPU in software takes well.
    const options = ['--no-transform-input', '--image-size', '64', '--quiet'];
    run(project, main, 'convert', checkpoint, 'public/model', ...options);
    const customLogger = createLogger('silent');
    customLogger.warn = (message) => warnings.push(message);
    customLogger.warnOnce = customLogger.warn;
    const built = await build({ root: project, customLogger });
    output = (built as Rolldown.RolldownOutput).output.filter((each) => each.type === 'chunk');
  });

  test('and its source is short', () => {
    expect(linesOf(join(project, 'index.html'))).toBeLessThan(40);
  });

  // It would warn of a module of Node, "externalized for browser compatibility".
  test('is bundled with nothing of Node’s, without a warning', () => {
    expect(warnings).toEqual([]);
  });

  // 878 kB and 242.2 kB; the rest is room for what minifiers change.
  test('fetches no more than 900 kB of code, gzipped 245 kB, to run a model.json', () => {
    const code = fetchedChunks(output).map((chunk) => chunk.code);
    expect(code.length).toBeGreaterThan(5);
    const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
    expect(sum(code.map((text) => text.length))).toBeLessThan(900e3);
    expect(sum(code.map((text) => gzipSync(text).length))).toBeLessThan(245e3);
  });

  test.skipIf(CHROMIUM === undefined).each([
    ['served by vite', []],
    ['built by vite build', ['preview']],
  ])(
    '%s: predictions for a photo that is picked',
    async (_, command) => {
      const browser = await chromium.launch(launchOptions('webgl'));
      const vite = serve(project, command);
      try {
        const page = await browser.newPage();
        page.setDefaultTimeout(0); // The test has one.
        const problems: unknown[] = [];
        page.on('pageerror', (error) => problems.push(error));
        await page.goto(await addressOf(vite));
        await page.setInputFiles('input:enabled', join(GOLDEN, 'photos', 'photo.jpg'));
        await page.waitForSelector('li:nth-child(5)');
        expectTruth(await page.locator('li').allTextContents(), 'photo.jpg', 64);
        expect(problems).toEqual([]);
      } finally {
        await browser.close();
        vite.kill();
      }
    },
    300_000,
  );
});

/** What a page fetches: all that the entry imports, and what loading a layers model does on demand. */
function fetchedChunks(output: readonly Rolldown.OutputChunk[]): readonly Rolldown.OutputChunk[] {
  const fetched = new Set<Rolldown.OutputChunk>();
  const fetch = (chunk: Rolldown.OutputChunk | undefined, onDemand: boolean): void => {
    if (chunk === undefined || fetched.has(chunk)) return;
    fetched.add(chunk);
    const more = onDemand ? [...chunk.imports, ...chunk.dynamicImports] : chunk.imports;
    for (const name of more)
      fetch(
        output.find(({ fileName }) => fileName === name),
        onDemand,
      );
  };
  fetch(
    output.find(({ isEntry }) => isEntry),
    false,
  );
  fetch(
    output.find(({ name }) => name === 'load-layers'),
    true,
  );
  return [...fetched];
}

function serve(project: string, command: readonly string[]): ChildProcess {
  const { FORCE_COLOR: _, ...env } = process.env;
  const args = [VITE, ...command, '--port', '0'];
  return spawn(process.execPath, args, { cwd: project, env: { ...env, NO_COLOR: '1' } });
}

/** What vite prints when it is ready. */
async function addressOf({ stdout }: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: stdout as NodeJS.ReadableStream })) {
    const [url] = /http:\/\/\S+/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error('vite ended without an address');
}

const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n').length;
