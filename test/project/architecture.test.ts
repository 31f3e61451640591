/** Who may import whom, and what lies where: the rules that the map of the house lives by. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** By each file's path, such as `src/convert.ts`, the files of this project that it imports. */
type Imports = ReadonlyMap<string, readonly string[]>;

/** All statements, for values and types alike, and what is imported only when it is needed. */
const IMPORT = /\b(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g;

/** Every file of `src/` and `cli/`, with what it imports of them. */
function* filesWithImports(): Generator<readonly [file: string, imports: readonly string[]]> {
  for (const folder of ['src', 'cli']) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const file = posix.join(folder, name.replaceAll('\\', '/'));
      const text = readFileSync(join(ROOT, file), 'utf8');
      const paths = [...text.matchAll(IMPORT)].map(([, path]) => path as string);
      yield [file, paths.map((path) => posix.join(posix.dirname(file), `${path}.ts`))];
    }
  }
}

const imports: Imports = new Map(filesWithImports());

/** Imports of the files of one folder from another one. */
function importsAcross(from: string, to: string): string[] {
  return [...imports].flatMap(([file, paths]) =>
    paths
      .filter((path) => file.startsWith(from) && path.startsWith(to))
      .map((path) => `${file} imports ${path}`),
  );
}

/** The files of a circle of imports, the first one again at the end; undefined where there is none. */
function findCircle(graph: Imports): readonly string[] | undefined {
  const done = new Set<string>();
  const follow = (file: string, path: readonly string[]): readonly string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const circle = follow(next, [...path, file]);
      if (circle !== undefined) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = follow(file, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

describe('imports', () => {
  test('are read from every file, each of which is there', () => {
    expect(imports.size).toBeGreaterThan(200);
    expect(imports.get('cli/main.ts')).toContain('cli/run.ts');
    const missing = [...imports.values()].flat().filter((path) => !imports.has(path));
    expect(missing).toEqual([]);
  });

  test('a circle is found, wherever one comes upon it', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['c', 'b']],
    ]);
    expect(findCircle(graph)).toEqual(['b', 'd', 'b']);
    expect(findCircle(new Map([...graph, ['d', ['c']]]))).toBeUndefined();
  });

  test('make no circle', () => {
    expect(findCircle(imports)?.join(' -> ')).toBeUndefined();
  });
});

/** Every room but those of a list; what lies loose in `src/` are the staircases, which know all rooms. */
function allBut(...rooms: readonly string[]): string[] {
  const names = readdirSync(join(ROOT, 'src'), { withFileTypes: true });
  const all = names.filter((each) => each.isDirectory()).map(({ name }) => name);
  return all.filter((room) => !rooms.includes(room)).map((room) => `src/${room}/`);
}

describe('rooms', () => {
  test.each([
    ['src/', ['cli/']],
    ['src/base/', allBut('base')],
    ['src/numbers/', allBut('base', 'numbers')],
    ['src/checkpoint/', allBut('base', 'numbers', 'checkpoint')],
    ['src/image/', allBut('base', 'numbers', 'image')],
    ['src/network/', allBut('base', 'numbers', 'checkpoint', 'network')],
    ['src/networks/', allBut('base', 'checkpoint', 'image', 'network', 'networks')],
    ['src/targets/', allBut('base', 'numbers', 'network', 'targets')],
    ['src/stored-model/', ['src/runtimes/', 'src/verify/', 'src/training/', 'src/app/']],
    ['src/runtimes/', ['src/verify/', 'src/training/', 'src/app/']],
    ['src/verify/', ['src/training/', 'src/app/']],
  ])('%s imports nothing from the rooms above it', (from, above) => {
    expect(above.flatMap((to) => importsAcross(from, to))).toEqual([]);
  });
});

describe('a network is one file', () => {
  const files = [...imports.keys()].filter(
    (file) => file.startsWith('src/') && !/^src\/(networks|training)\//.test(file),
  );
  const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

  test('which nothing else imports', () => {
    const own = readdirSync(join(ROOT, 'src/networks'));
    const doors = ['index.ts', 'match.ts', 'variants.ts'];
    const private_ = own.filter((name) => !doors.includes(name));
    expect(private_).toContain('googlenet.ts');
    const found = private_.flatMap((name) => importsAcross('src/', `src/networks/${name}`));
    expect(found.filter((each) => !/^src\/(networks|training)\//.test(each))).toEqual([]);
  });

  // A field of the public options is called after the branch that it is about.
  test.each([/inception[345]/, /branch[1-4](?!Kernel)/, /aux[12]/])(
    'whose modules, such as %s, are named nowhere else',
    (name) => {
      expect(files.filter((file) => name.test(textOf(file)))).toEqual([]);
      expect(textOf('src/networks/googlenet.ts')).toMatch(name);
    },
  );

  test('of 150 lines of code at most', () => {
    const lines = textOf('src/networks/googlenet.ts').split('\n');
    const code = lines.filter((line) => !/^\s*(\*|\/\*|\/\/|$)/.test(line));
    expect(code.length).toBeLessThanOrEqual(150);
    expect(code.length).toBeGreaterThan(100);
  });

  test('where alone a number of channels is written', () => {
    const call = /\b(conv2d|batchNorm2d|linear)\((?=[^()]*\b\d{2,}\b)/i;
    expect(files.filter((file) => call.test(textOf(file)))).toEqual([]);
    expect('linear(2048, 1024)').toMatch(call);
  });
});

test('a message of the library names options, not flags', () => {
  const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const flag = /(?<!capture\.py) --[a-z][a-z-]*[a-z]/;
  const found = [...imports.keys()].filter(
    (file) =>
      file.startsWith('src/') &&
      !file.endsWith('/html-style.ts') &&
      flag.test(withoutComments(readFileSync(join(ROOT, file), 'utf8'))),
  );
  expect(found).toEqual([]);
  expect("hint: 'convert with --image-size 64'").toMatch(flag);
});

describe('the tests', () => {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join('test', name.replaceAll('\\', '/')))
    .filter((name) => /\.(ts|mjs|py)$/.test(name) && !name.includes('node_modules/'));

  test('lie in rooms', () => {
    expect(files.length).toBeGreaterThan(150);
    expect(files.filter((name) => posix.dirname(name) === 'test')).toEqual([]);
    const tests = files.filter((name) => name.endsWith('.test.ts'));
    expect(tests.filter((name) => name.startsWith('test/helpers/'))).toEqual([]);
  });

  test('have at most 300 lines a file', () => {
    const lines = (file: string) => readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1;
    expect(files.filter((file) => lines(file) > 300)).toEqual([]);
  });
});
