/** Who may import whom: the rules that the map of the house lives by. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;

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

describe('rooms', () => {
  test.each([
    ['src/', 'cli/'],
    ['src/runtimes/', 'src/verify/'],
    ['src/stored-model/', 'src/runtimes/'],
    ['src/stored-model/', 'src/verify/'],
  ])('%s imports nothing from %s', (from, to) => {
    expect(importsAcross(from, to)).toEqual([]);
  });
});
