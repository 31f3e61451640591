import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const TESTS = fileURLToPath(new URL('..', import.meta.url));

/** The files that take longest, so that none of them runs alone at the end. */
const LONGEST = [
  'verify/causes-runs',
  'verify/causes',
  'faults/faults',
  'project/docs',
  'training/training-backends',
  'training/training',
  'faults/further/further',
  'project/finetune',
  'cli/convert-golden-forms',
  'cli/hints-convert',
  'cli/hints-verify',
  'app/app-sources',
  'app/app',
  'app/app-browser',
  'hostile/bombs-in-memory',
  'verify/verify',
  'cli/convert-golden',
  'targets/graph-failures',
  'stored-model/quantize',
  'project/examples',
  'project/runtimes',
  'oracle/oracle',
  'cli/cli',
  'targets/export',
  'oracle/save-oracle',
  'project/package',
].map((name) => `${name}.test.ts`);

const missing = LONGEST.filter((name) => !existsSync(`${TESTS}/${name}`));
if (missing.length > 0) throw new Error(`longest-first.ts names what is not there: ${missing}`);

/** Vitest's order goes by the last run's times, of which a fresh clone has none, and else by the sizes of files. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.indexOf(relative(TESTS, moduleId).replaceAll('\\', '/'));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
