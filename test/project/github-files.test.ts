/** What GitHub reads of .github/: the workflow, and the forms for issues. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from './docs.js';

const FORMS = join('.github', 'ISSUE_TEMPLATE');
const FILES = [
  '.github/workflows/ci.yml',
  ...readdirSync(join(ROOT, FORMS)).map((name) => join(FORMS, name)),
  'examples/ci/verify.yml',
];
const TO_JSON =
  'import json, sys, yaml; print(json.dumps([yaml.safe_load(open(p)) for p in sys.argv[1:]], default=str))';

/** PyTorch brings PyYAML along, which reads `on` as true, as YAML 1.1 has it. */
function readAll(): ReadonlyMap<string, YAML> | undefined {
  for (const python of ['/usr/bin/python3', 'python3']) {
    const { status, stdout } = spawnSync(python, ['-c', TO_JSON, ...FILES], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    if (status !== 0) continue;
    const values: readonly YAML[] = JSON.parse(stdout);
    return new Map(FILES.map((file, i) => [file, values[i] ?? {}]));
  }
  return undefined;
}

interface YAML {
  readonly name?: string;
  readonly description?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs?: { readonly linux?: Job; readonly desktop?: Job };
  readonly body?: readonly Field[];
}

interface Job {
  readonly container?: string;
  readonly permissions?: unknown;
  readonly 'timeout-minutes'?: number;
  readonly steps: readonly { readonly run?: string; readonly uses?: string }[];
}

interface Field {
  readonly type: string;
  readonly id?: string;
  readonly attributes: { readonly label?: string; readonly value?: string };
  readonly validations?: { readonly required?: boolean };
}

const parsed = readAll();
if (parsed === undefined)
  console.warn('SKIPPED: parsing .github/, for want of a Python with PyYAML');

const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');

test.each(FILES)('%s names no secret, and has no tabs', (file) => {
  expect(text(file)).not.toMatch(/secrets\.|GITHUB_TOKEN|\t/);
});

describe.skipIf(parsed === undefined)('the workflow', () => {
  const { permissions, jobs = {} } = parsed?.get('.github/workflows/ci.yml') ?? {};
  const commands = (job: Job | undefined) => job?.steps.flatMap(({ run = [] }) => run);

  test('may read the repository, and nothing else', () => {
    expect(permissions).toEqual({ contents: 'read' });
    expect(Object.values(jobs).filter((job) => job.permissions !== undefined)).toEqual([]);
  });

  test('runs what the project runs, for a limited time', () => {
    expect(commands(jobs.linux)).toEqual(['bash .ci/run']);
    expect(jobs.linux?.container).toMatch(/^node:20-/);
    expect(commands(jobs.desktop)).toEqual(['npm ci && npm test']);
    for (const job of Object.values(jobs)) expect(job['timeout-minutes']).toBeLessThanOrEqual(60);
  });

  test('uses actions of GitHub alone', () => {
    const uses = Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap((step) => step.uses ?? []),
    );
    expect(uses.length).toBeGreaterThan(0);
    for (const action of uses) expect(action).toMatch(/^actions\/[a-z-]+@v\d+$/);
  });
});

describe.skipIf(parsed === undefined).each(['bug', 'checkpoint', 'parity'])(
  'the form %s',
  (name) => {
    const form = parsed?.get(join(FORMS, `${name}.yml`));
    const fields = form?.body ?? [];

    test('has what GitHub demands', () => {
      expect([typeof form?.name, typeof form?.description]).toEqual(['string', 'string']);
      const ids = fields.filter(({ type }) => type !== 'markdown').map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].filter((id) => id !== undefined));
      for (const { type, attributes } of fields) {
        expect(['markdown', 'textarea', 'input']).toContain(type);
        expect(typeof attributes[type === 'markdown' ? 'value' : 'label']).toBe('string');
      }
    });

    test('asks for the version and for what the file holds', () => {
      const labels = fields.map(({ attributes }) => attributes.label);
      expect(labels).toContainEqual(expect.stringContaining('`pth2tfjs --version`'));
      expect(labels).toContainEqual(expect.stringMatching(/`pth2tfjs inspect FILE --json`/));
    });
  },
);
