import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const TESTS = fileURLToPath(new URL('..', import.meta.url));

/** The files that take longest, so that none of them runs alone at the end. */
const LONGEST = [
  'faults/faults',
  'cli/hints-convert',
  'training/training-backends',
  'verify/causes',
  'cli/convert-golden-forms',
  'verify/causes-runs',
  'targets/graph',
  'network/weight-faults',
  'cli/convert-golden',
  'cli/hints-verify',
  'targets/graph-failures',
  'app/app-sources',
  'app/app',
  'app/app-browser',
  'cli/convert',
  'project/docs',
  'stored-model/quantize',
  'faults/further/further',
  'project/finetune',
  'project/examples',
  'training/training',
  'targets/export',
  'hostile/bombs-in-memory',
  'oracle/oracle',
  'verify/causes-changed',
  'targets/graph-commands',
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
