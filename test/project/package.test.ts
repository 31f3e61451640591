import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, test } from 'vitest';
import { VERSION } from '../../src/base/version.js';
import * as api from '../../src/index.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { sha256 } from '../helpers/digest.js';
import { SLOW } from '../helpers/tiers.js';
import { installPackage, registryAnswers } from './installed.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const withoutComments = (source: string) => source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');

test('the version in the code is the package’s', () => {
  expect(VERSION).toBe(manifest.version);
});

/** The values that each door gives, by what stands in package.json. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  '.': [
    'GoogLeNet',
    'INPUTS',
    'MODEL_FORMATS',
    'MappingError',
    'NETWORK_KEYS',
    'Pth2tfjsError',
    'QUANTIZATIONS',
    'convertCheckpoint',
    'convertToSafetensors',
    'exportCheckpoint',
    'formatReport',
    'inspectCheckpoint',
    'isPth2tfjsError',
    'loadGoogLeNet',
    'matchStateDict',
    'parseLabels',
    'readGolden',
    'readNetwork',
    'summary',
    'verifyModel',
  ],
  './checkpoint': [
    'CheckpointFile',
    'TensorView',
    'contiguousBytes',
    'denseTensor',
    'findStateDicts',
    'listOpaque',
    'listTensors',
    'readCheckpoint',
    'saveSafetensors',
    'saveStateDict',
    'selectStateDict',
    'stateDictMetadata',
    'toFloat32',
  ],
  './verify': [
    'BACKEND_NAMES',
    'DEFAULT_RTOL',
    'REPORT_FORMATS',
    'compareLogits',
    'compareQuantizations',
    'formatReport',
    'loadModel',
    'readGolden',
    'verdict',
    'verifyModel',
  ],
  './training': [
    'AUX_LOSS_WEIGHT',
    'TrainableGoogLeNet',
    'crossEntropy',
    'googlenet',
    'googlenetLoss',
    'loadTrainable',
    'summary',
  ],
  './preprocess': ['IMAGENET_MEAN', 'IMAGENET_STD', 'preprocess', 'resizeAndCrop'],
  './imagenet-labels': ['IMAGENET_LABELS'],
};

describe('the doors of the package', () => {
  test('are these', () => {
    expect(Object.keys(manifest.exports)).toEqual([...Object.keys(DOORS), './package.json']);
  });

  test.each(Object.entries(DOORS))('%s gives these names', async (door, names) => {
    const file = join(ROOT, manifest.exports[door].default);
    expect(Object.keys(await import(file)).sort()).toEqual(names);
  });

  test('the first is for everyone, and small', () => {
    expect(DOORS['.']?.length).toBeLessThanOrEqual(25);
  });
});

test('the library reaches for no file system, network or process', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name, withoutComments(readFileSync(join(ROOT, 'src', name), 'utf8'))] as const);
  expect(sources.length).toBeGreaterThan(15);
  for (const [name, text] of sources) {
    expect([name, /from '(node:|fs|path|process|http|child_process)/.test(text)]).toEqual([
      name,
      false,
    ]);
    expect([
      name,
      /(?<!\.)\b(fetch|XMLHttpRequest|eval)\(|\b(process|Buffer)\.|\b__dirname\b|\brequire\(|new Function/.test(
        text,
      ),
    ]).toEqual([name, false]);
  }
});

test('the package brings its papers, and what they tell to run', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(packed) as [{ files: { path: string }[] }];
  expect(files.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'golden/capture.py',
    ]),
  );
});

const registry = registryAnswers('the package as it is installed');

describe.skipIf(!registry)('the packed package, installed into an empty project', SLOW, () => {
  const project = temporaryFolder();

  beforeAll(() => {
    installPackage(project);
  });

  test('gives a working command', () => {
    const run = spawnSync('npx', ['pth2tfjs', '--version'], { cwd: project, encoding: 'utf8' });
    expect(run.stdout.trim()).toBe(VERSION);
  });

  test('gives a working import, with one copy of TensorFlow.js', () => {
    const script = `
      import { readFile } from 'node:fs/promises';
      import { convertCheckpoint, readGolden, verifyModel } from 'pth2tfjs';
      const { files } = await convertCheckpoint(await readFile(${JSON.stringify(join(GOLDEN, 'googlenet.pth.gz'))}));
      const golden = await readGolden(await readFile(${JSON.stringify(join(GOLDEN, 'googlenet.golden.pth.gz'))}));
      console.log((await verifyModel(files, golden)).passed);`;
    writeFileSync(join(project, 'use.mjs'), script);
    expect(execFileSync('node', ['use.mjs'], { cwd: project, encoding: 'utf8' }).trim()).toBe(
      'true',
    );
    const cores = readdirSync(join(project, 'node_modules'), {
      recursive: true,
      encoding: 'utf8',
    }).filter((name) => name.endsWith('tfjs-core/package.json'));
    expect(cores).toHaveLength(1);
  });

  test('bundles for browsers, with nothing of Node’s in it, and then converts alike', async () => {
    const entry = join(project, 'browser.js');
    writeFileSync(entry, "export { convertCheckpoint, loadGoogLeNet } from 'pth2tfjs';");
    const bundle = await rolldown({ input: entry, platform: 'browser' });
    const { output } = await bundle.write({ dir: join(project, 'bundle') });
    await bundle.close();
    const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
    for (const chunk of chunks.values()) {
      if (chunk.type !== 'chunk') continue;
      const imports = [...chunk.imports, ...chunk.dynamicImports];
      expect([chunk.fileName, imports.filter((name) => !chunks.has(name))]).toEqual([
        chunk.fileName,
        [],
      ]);
    }
    const bundled: typeof api = await import(join(project, 'bundle', output[0].fileName));
    const bytes = readFileSync(join(GOLDEN, 'googlenet.pth.gz'));
    for (const format of api.MODEL_FORMATS) {
      const [ours, theirs] = [
        await api.convertCheckpoint(bytes, { format }),
        await bundled.convertCheckpoint(bytes, { format }),
      ];
      expect(theirs.files.map(({ bytes }) => sha256(bytes))).toEqual(
        ours.files.map(({ bytes }) => sha256(bytes)),
      );
    }
  });

  test('spares apps that start from a model.json what reads checkpoints', async () => {
    const entry = join(project, 'app.js');
    writeFileSync(entry, "export { loadGoogLeNet } from 'pth2tfjs';");
    const bundle = await rolldown({ input: entry, platform: 'browser' });
    const { output } = await bundle.generate();
    await bundle.close();
    const chunks = output.filter((each) => each.type === 'chunk');
    const atOnce = [
      output[0],
      ...chunks.filter((each) => output[0].imports.includes(each.fileName)),
    ];
    const modules = (some: typeof chunks) => some.flatMap(({ moduleIds }) => moduleIds).join('\n');
    const reader = /jszip|pickleparser|unpickle|@tensorflow/;
    expect(modules(atOnce)).not.toMatch(reader);
    expect(modules(chunks)).toMatch(reader);
  });

  test('loads no TensorFlow.js before it is needed', () => {
    const script =
      "await import('pth2tfjs'); const { createRequire } = await import('node:module'); console.log(Object.keys(createRequire(import.meta.url).cache).filter((p) => p.includes('@tensorflow')).length)";
    writeFileSync(join(project, 'light.mjs'), script);
    expect(execFileSync('node', ['light.mjs'], { cwd: project, encoding: 'utf8' }).trim()).toBe(
      '0',
    );
  });

  test('gives types that a strict TypeScript project accepts', () => {
    const options = {
      compilerOptions: {
        strict: true,
        module: 'NodeNext',
        target: 'ES2022',
        lib: ['ES2023', 'DOM'],
        types: [],
        noEmit: true,
        skipLibCheck: false,
        exactOptionalPropertyTypes: true,
      },
      files: ['use.ts'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(options));
    writeFileSync(
      join(project, 'use.ts'),
      `import { convertCheckpoint, type Conversion } from 'pth2tfjs';\nexport const f = async (b: Uint8Array): Promise<Conversion> => convertCheckpoint(b);\n// @ts-expect-error a path is no checkpoint\nconvertCheckpoint('googlenet.pth');\n`,
    );
    const tsc = spawnSync(
      process.execPath,
      [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project],
      { encoding: 'utf8' },
    );
    expect(tsc.status).not.toBeNull();
    expect(`${tsc.stdout}${tsc.stderr}`).not.toMatch(/TS5\d{3}|TS18003/);
    const ours = tsc.stdout
      .split('\n')
      .filter((line) => /error/.test(line) && /node_modules\/pth2tfjs|use\.ts/.test(line));
    expect(ours).toEqual([]);
  });
});
