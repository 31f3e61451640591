/** What the README and docs/ say of the code and of each other holds. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { MAX_CHECKPOINT_BYTES } from '../../src/base/limits.js';
import { MAX_OPCODES, MAX_PICKLE_BYTES } from '../../src/checkpoint/pickle/pickle-cursor.js';
import { MAX_TENSOR_BYTES } from '../../src/checkpoint/tensor/tensor.js';
import { MAX_MODEL_JSON_BYTES } from '../../src/stored-model/model-json.js';
import { GOLDEN, pth2tfjs } from '../helpers/cli.js';
import { anchorsOf, codeIn, linksOf, PAGES, ROOT, rowsOf, tokensOf } from './docs.js';

test('the README is short', () => {
  expect(statSync(join(ROOT, 'README.md')).size).toBeLessThanOrEqual(8_000);
});

test('the picture of the report is small', () => {
  expect(statSync(join(ROOT, 'docs/report.webp')).size).toBeLessThan(120_000);
});

describe('links lead somewhere', () => {
  const examples = readdirSync(join(ROOT, 'examples')).map((name) => `examples/${name}/README.md`);
  const others = ['CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'golden/README.md'];

  test.each([...PAGES, ...others, ...examples])('%s', (page) => {
    const broken = linksOf(page).filter((href) => !/^https?:/.test(href) && !leads(page, href));
    expect(broken).toEqual([]);
  });

  test('the README leads to every page', () => {
    const linked = linksOf('README.md').map((href) => href.replace(/#.*/, ''));
    expect(PAGES.filter((page) => page !== 'README.md' && !linked.includes(page))).toEqual([]);
  });
});

/** To a file, and if there is an anchor, to a heading in it. */
function leads(page: string, href: string): boolean {
  const [path = '', anchor] = href.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchorsOf(target).has(anchor);
}

describe('options', () => {
  const commands = ['convert', 'verify', 'classify', 'export', 'inspect'] as const;
  const helps = new Map<string, ReadonlySet<string>>();
  const capture = readFileSync(join(GOLDEN, 'capture.py'), 'utf8');

  beforeAll(async () => {
    const texts = await Promise.all(commands.map((command) => pth2tfjs(command, '--help')));
    for (const [i, command] of commands.entries()) helps.set(command, optionsIn(texts[i]?.stdout));
  });

  test('all that --help lists stand in docs/cli.md, for the commands that have them', () => {
    const listed = rowsOf('docs/cli.md', ['option', 'for', 'meaning']).flatMap(
      ([names = '', of = '']) =>
        flagsIn(names).flatMap((flag) => of.split(', ').map((command) => `${command} --${flag}`)),
    );
    const inHelp = [...helps].flatMap(([command, flags]) =>
      [...flags].map((flag) => `${command} --${flag}`),
    );
    expect(inHelp.length).toBeGreaterThan(50);
    expect([...new Set(listed)].sort()).toEqual(inHelp.sort());
  });

  test.each(PAGES)('of %s exist in the command that they stand with', (page) => {
    const unknown = texts(page).flatMap((text) =>
      flagsIn(text).filter((flag) => !exists(flag, text)),
    );
    expect(unknown).toEqual([]);
  });

  /** What may name options: lines of commands, and what stands in backticks. */
  function texts(page: string): readonly string[] {
    return tokensOf(page).flatMap((token) => {
      if (token.type === 'codespan') return [token.text];
      return token.type === 'code' && token.lang === 'sh' ? token.text.split('\n') : [];
    });
  }

  function exists(flag: string, text: string): boolean {
    if (/\bnpm /.test(text)) return true;
    if (/\bcapture\.py\b/.test(text)) return capture.includes(`"--${flag}"`);
    const command = commands.find((each) =>
      new RegExp(`^(npx )?(pth2tfjs )?${each}\\b`).test(text),
    );
    return command === undefined
      ? [...helps.values()].some((flags) => flags.has(flag))
      : (helps.get(command)?.has(flag) ?? false);
  }
});

/** The options in a text, without what takes them back. */
function flagsIn(text: string): readonly string[] {
  const flags = [...text.matchAll(/(?<![\w-])--(?:no-)?([a-z][a-z0-9-]*)/g)];
  return [...new Set(flags.map(([, flag = '']) => flag))].filter(
    (flag) => flag !== 'help' && flag !== 'version',
  );
}

function optionsIn(help = ''): ReadonlySet<string> {
  const lines = help.split('\n').filter((line) => /^ +(-\w, )?--\w/.test(line));
  return new Set(
    lines.flatMap((line) => flagsIn(/^ +(-\w, )?(--[\w-]+(, )?)+/.exec(line)?.[0] ?? '')),
  );
}

test('SECURITY.md has the bounds of the code', () => {
  const bounds = new Map(
    rowsOf('SECURITY.md', ['what', 'bound']).map(([what, bound]) => [what, bound]),
  );
  const mebibytes = (bytes: number) =>
    bytes < 2 ** 30 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 30} GiB`;
  for (const [what, bound] of [
    ['a checkpoint or golden file, as read and as unpacked', mebibytes(MAX_CHECKPOINT_BYTES)],
    ['one tensor', mebibytes(MAX_TENSOR_BYTES)],
    ['a pickle', `${mebibytes(MAX_PICKLE_BYTES)}, ${MAX_OPCODES.toLocaleString('en')} opcodes`],
    ['a `model.json`', mebibytes(MAX_MODEL_JSON_BYTES)],
  ] as const) {
    expect([what, bounds.get(what)]).toEqual([what, expect.stringContaining(bound)]);
  }
});

describe('docs/library.md', () => {
  const doors = rowsOf('docs/library.md', ['import from', 'for', 'names']);

  test('lists the entry points', () => {
    const paths = Object.keys(manifest.exports).filter((path) => path !== './package.json');
    expect(doors.map(([from = '']) => codeIn(from)[0])).toEqual(
      paths.map((path) => path.replace('.', 'pth2tfjs')),
    );
  });

  test.each(
    doors.map(([from = '', , names = '']) => [codeIn(from)[0] ?? '', codeIn(names)] as const),
  )('lists what %s gives', async (from, names) => {
    const path = from.replace('pth2tfjs', '.') as Exclude<
      keyof typeof manifest.exports,
      './package.json'
    >;
    const door = await import(join(ROOT, manifest.exports[path].default));
    expect([...names].sort()).toEqual(Object.keys(door).sort());
  });

  test('lists the codes of errors', () => {
    const source = readFileSync(join(ROOT, 'src/base/errors.ts'), 'utf8');
    const codes = [...source.matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(10);
    const rows = rowsOf('docs/library.md', ['code', 'meaning']);
    expect(rows.map(([code = '']) => codeIn(code)[0])).toEqual(codes);
  });
});

test('the README says why there is each dependency', () => {
  const { dependencies, optionalDependencies, peerDependencies, devDependencies } = manifest;
  const sources = readdirSync(join(ROOT, 'cli'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(ROOT, 'cli', name), 'utf8'));
  // What only the command line imports is bundled into it, and not installed.
  const bundled = Object.keys(devDependencies).filter((name) =>
    sources.some((source) => source.includes(`from '${name}'`)),
  );
  expect(bundled).toContain('yargs');
  const installed = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  const needed = [...installed, ...bundled];
  const named = rowsOf('README.md', ['package', 'reason']).flatMap(([packages = '']) => {
    const [first = '', ...rest] = codeIn(packages);
    return [
      first,
      ...rest.map((name) => (name.startsWith('-') ? first.replace('-core', name) : name)),
    ];
  });
  expect(named.sort()).toEqual(needed.sort());
});
