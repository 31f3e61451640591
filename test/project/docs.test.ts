/**
 * The README and docs/, run as they say: commands against the bundled checkpoint, code against the
 * package's entry points. Comments before a block, such as `<!-- test: exit 1 -->`, say how; see docs.ts.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, MAIN, pth2tfjs, type Run, temporaryFolder } from '../helpers/cli.js';
import { slowUnless } from '../helpers/tiers.js';
import { type Example, examplesOf, PAGES, ROOT } from './docs.js';

const EXAMPLES = PAGES.flatMap(examplesOf);

const INSTALLS = 'installs packages: the CI does that in every run';
const DOWNLOADS = 'downloads the official weights';
const IN_PYTORCH = 'is for PyTorch: capture.test.ts and golden.test.ts run it';
const IN_BROWSERS =
  'is for a browser, where examples.test.ts and app.test.ts run the like; it is type-checked';
const MEASURES = 'measures for minutes, beside libraries that are not installed here';

/** The blocks that are not run, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'README.md: npm ci && npm run demo    # converts the bundled checkpoint, verifies it, prints the table below':
    INSTALLS,
  'README.md: npm install pth2tfjs': DOWNLOADS,
  "README.md: const model = await tf.loadLayersModel('/out/model.json'); // takes NHWC [batch, 224, 224, 3], gives logits":
    IN_BROWSERS,
  'README.md: python node_modules/pth2tfjs/golden/capture.py googlenet.pth --images photos/*.jpg --layers -o golden.pth':
    IN_PYTORCH,
  "README.md: import '@tensorflow/tfjs-backend-webgl'; // or -webgpu, -wasm": IN_BROWSERS,
  "docs/apps.md: import '@tensorflow/tfjs-backend-webgl'; // or -webgpu, -wasm; if the app has chosen a backend, that is used":
    IN_BROWSERS,
  "docs/apps.md: // import * as onnxruntime from 'onnxruntime-web/webgpu';": IN_BROWSERS,
  'docs/backends.md: npm install onnxruntime-node --onnxruntime-node-install=skip': DOWNLOADS,
  'docs/backends.md: export VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json':
    'takes a minute: backends.test.ts runs it on smaller images',
  'docs/getting-started.md: npm install pth2tfjs': INSTALLS,
  'docs/getting-started.md: npx pth2tfjs convert https://download.pytorch.org/models/googlenet-1378be20.pth out/':
    DOWNLOADS,
  'docs/getting-started.md: python node_modules/pth2tfjs/golden/capture.py finetuned.pth --images photos/*.jpg --layers -o golden.pth':
    IN_PYTORCH,
  'docs/measurements.md: npm run bench -- 9': MEASURES,
  'docs/measurements.md: npm ci --prefix bench': MEASURES,
  'docs/measurements.md: npm run bench:bundle': MEASURES,
  'docs/measurements.md: npm run bench:preprocess': MEASURES,
};

const isCode = ({ lang }: Example) => ['ts', 'js'].includes(lang);
const isRun = ({ title }: Example) => !(title in NOT_RUN);
const COMMANDS = EXAMPLES.filter((each) => each.lang === 'sh' && isRun(each));
const CODE = EXAMPLES.filter(isCode);

/** A reader's folder: the checkpoint and the golden file that the pages speak of, and the package. */
function prepareProject(folder: string): void {
  const link = (target: string, path: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(target, join(folder, path));
  };
  link(CHECKPOINT, 'googlenet.pth');
  link(CHECKPOINT, 'finetuned.pth');
  link(join(GOLDEN, 'photos'), 'photos');
  link(ROOT, 'node_modules/pth2tfjs');
  for (const name of ['@tensorflow', '@types', 'sharp']) {
    link(join(ROOT, 'node_modules', name), `node_modules/${name}`);
  }
  useGolden(folder, PLAIN_GOLDEN);
  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}');
  // In place of npx, which would ask the registry.
  const npx = `#!/bin/sh\n[ "$1" = pth2tfjs ] || exit 127\nshift\nexec "${process.execPath}" "${MAIN}" "$@"\n`;
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/npx'), npx, { mode: 0o755 });
}

/** Of four images, without layers: what `golden.pth` is unless a comment says otherwise. */
const PLAIN_GOLDEN = 'googlenet.golden.pth.gz';

function useGolden(folder: string, file: string): void {
  cpSync(join(GOLDEN, file), join(folder, 'golden.pth'));
}

function runIn(folder: string, command: string, ...args: readonly string[]): Promise<Run> {
  const { PATH = '', ...others } = process.env;
  const path = `${join(folder, 'bin')}${delimiter}${PATH}`;
  const env = { ...others, GITHUB_ACTIONS: 'false', PATH: path };
  const options = { cwd: folder, env, maxBuffer: 2 ** 24 };
  return new Promise((resolve) => {
    const child = execFile(command, args, options, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

/** Numbers differ in their last digits from machine to machine, and with them the widths of columns. */
const withoutNumbers = (text: string) =>
  text
    .replace(/[\d.]+(e[-+]?\d+)?/g, 'N')
    .replace(/\s+/g, ' ')
    .trim();

describe('commands in the documentation', () => {
  // A page's blocks follow each other in one folder.
  const pages = PAGES.map((page) => [page, COMMANDS.filter((each) => each.page === page)] as const);
  const windows = process.platform === 'win32';

  for (const [page, examples] of pages.filter(([, each]) => each.length > 0 && !windows)) {
    describe(page, slowUnless(page === 'README.md'), () => {
      const folder = temporaryFolder();
      beforeAll(() => prepareProject(folder));

      test.each(examples.map((each) => [each.title, each] as const))('%s', async (_, example) => {
        const { golden, exit } = example.directives;
        useGolden(folder, golden ?? PLAIN_GOLDEN);
        const { status, stdout, stderr } = await runIn(folder, 'bash', '-euc', example.code);
        expect([status, stderr]).toEqual([exit, exit === 0 ? expect.any(String) : stderr]);
        for (const line of example.prints?.split('\n') ?? []) {
          expect(withoutNumbers(stdout)).toContain(withoutNumbers(line));
        }
      });
    });
  }
});

describe('code in the documentation', () => {
  const folder = temporaryFolder();
  const nameOf = (example: Example) => `example-${CODE.indexOf(example)}`;
  let types: Run;

  beforeAll(async () => {
    prepareProject(folder);
    for (const example of CODE) {
      const { code, directives } = example;
      const source = `${directives.preamble}\n${code}\nexport {};\n`;
      writeFileSync(join(folder, `${nameOf(example)}.ts`), source);
    }
    const compilerOptions = {
      strict: true,
      target: 'ES2022',
      module: 'NodeNext',
      lib: ['ES2023', 'DOM', 'DOM.Iterable'],
      types: ['node'],
      skipLibCheck: true,
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    types = await runIn(folder, process.execPath, tsc, '-p', '.');
  });

  test('there is some', () => {
    expect(CODE.length).toBeGreaterThan(8);
  });

  test.each(CODE.map((each) => [each.title, each] as const))('has types: %s', (_, example) => {
    const mine = types.stdout
      .split('\n')
      .filter((line) => line.startsWith(`${nameOf(example)}.ts`));
    expect(mine).toEqual([]);
  });

  test('and nothing else is wrong with the types', () => {
    expect([types.status, types.stdout, types.stderr]).toEqual([0, '', '']);
  });

  for (const example of CODE.filter(isRun)) {
    // What reads the checkpoint takes seconds.
    const quick = !/googlenet\.pth|model\.json/.test(example.code + example.directives.preamble);
    test(`runs: ${example.title}`, slowUnless(quick), async () => {
      if (/'\/out\/model\.json'/.test(example.code)) {
        await pth2tfjs(
          'convert',
          CHECKPOINT,
          join(folder, 'out'),
          '--quiet',
          '--no-transform-input',
        );
      }
      const { status, stderr } = await runIn(folder, process.execPath, `${nameOf(example)}.js`);
      expect([status, stderr]).toEqual([0, '']);
    });
  }
});

describe('every block is accounted for', () => {
  test('what is not run stands on a page, and has a reason', () => {
    const titles = EXAMPLES.map(({ title }) => title);
    expect(Object.keys(NOT_RUN).filter((title) => !titles.includes(title))).toEqual([]);
  });

  test('there are commands, code, Python, and output', () => {
    const known = ['sh', 'ts', 'js', 'py', ''];
    expect(EXAMPLES.filter(({ lang }) => !known.includes(lang))).toEqual([]);
  });

  test.each(PAGES)('%s has something to run', (page) => {
    expect(examplesOf(page).filter(({ lang }) => ['sh', 'ts'].includes(lang))).not.toEqual([]);
  });
});
