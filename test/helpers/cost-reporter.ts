/** Ends a run with what it cost, and with what the quick tier has left out. */
import type { Reporter, TestModule, TestRunEndReason, Vitest } from 'vitest/node';

/** The tag of tests that `npm test` leaves to `npm run test:all`. */
const SLOW = 'slow';

/** Of fewer files one has chosen oneself, and sees their times above. */
const MANY = 20;

export default class CostReporter implements Reporter {
  #filtered = false;

  onInit({ config }: Vitest): void {
    this.#filtered = config.tagsFilter !== undefined;
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    _errors: readonly unknown[],
    reason: TestRunEndReason,
  ): void {
    if (reason === 'interrupted') return;
    if (modules.length >= MANY) console.log(`\n${slowestOf(modules)}`);
    if (this.#filtered) console.log(`\n${leftOut(modules)}`);
  }
}

function slowestOf(modules: readonly TestModule[]): string {
  const costs = modules
    .map((each) => ({ name: nameOf(each), seconds: each.diagnostic().duration / 1000 }))
    .sort((a, b) => b.seconds - a.seconds);
  const lines = costs
    .slice(0, 10)
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)}  ${name}`);
  return ['The slowest files, in seconds:', ...lines].join('\n');
}

function leftOut(modules: readonly TestModule[]): string {
  const counts = new Map<string, number>();
  for (const each of modules) {
    const slow = [...each.children.allTests()].filter(({ tags }) => tags.includes(SLOW)).length;
    if (slow > 0) counts.set(nameOf(each), slow);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const files = [...counts].map(([name, count]) => `${name} ${count}`);
  return [
    `This was the quick tier. It leaves out ${total} tests that take long, of these files:`,
    ...wrapped(files, 100).map((line) => `  ${line}`),
    'npm run test:all runs them, too.',
  ].join('\n');
}

/** `test/app/app.test.ts`, with the browser where it ran in one. */
function nameOf({ relativeModuleId, project }: TestModule): string {
  return project.name === 'node' ? relativeModuleId : `${relativeModuleId} (${project.name})`;
}

function wrapped(items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + item.length + 2 <= width) {
      lines[lines.length - 1] = `${last}, ${item}`;
    } else lines.push(item);
  }
  return lines;
}
