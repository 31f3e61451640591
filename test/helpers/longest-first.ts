import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, so that none of them runs alone at the end. */
const LONGEST = [
  'faults',
  'hints',
  'training-backends',
  'causes',
  'convert-golden',
  'graph',
  'weight-faults',
  'app',
  'app-browser',
  'cli',
  'docs',
  'quantize',
  'faults-further',
  'finetune',
  'examples',
  'training',
  'export',
  'bombs',
  'oracle',
];

/** Vitest's order goes by the last run's times, of which a fresh clone has none, and else by the sizes of files. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.indexOf(basename(moduleId, '.test.ts'));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
