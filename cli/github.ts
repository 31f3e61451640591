import { appendFile } from 'node:fs/promises';
import { printable } from '../src/base/printable.js';
import { formatReport } from '../src/verify/report/format-report.js';
import { failureSentence, luckySentences, verdict } from '../src/verify/report/words.js';
import type { Verification } from '../src/verify/verification.js';
import { asFlags } from './flags.js';

type Level = 'error' | 'warning' | 'notice';

/**
 * In GitHub Actions, tells the outcome as annotations and adds the report to the summary of the job;
 * elsewhere does nothing.
 *
 * @param env where `GITHUB_ACTIONS` and `GITHUB_STEP_SUMMARY` are looked up
 * @param write takes each workflow command as a line; GitHub reads them from stderr too, so that they
 *   need not disturb what a program reads from stdout
 */
export async function reportToGitHub(
  verification: Verification,
  env: Readonly<Record<string, string | undefined>>,
  write: (text: string) => void,
): Promise<void> {
  const { GITHUB_ACTIONS: actions, GITHUB_STEP_SUMMARY: summary } = env;
  if (actions !== 'true') return;
  for (const line of annotations(verification)) write(`${line}\n`);
  if (!summary) return;
  try {
    await appendFile(summary, `\n${formatReport(verification, 'markdown', { word: asFlags })}\n`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const text = printable(`cannot add the report to the job's summary: ${reason}`);
    write(`${workflowCommand('warning', 'pth2tfjs verify', text)}\n`);
  }
}

function annotations(verification: Verification): string[] {
  const { results, passed } = verification;
  const failing = results.filter(({ comparison }) => !comparison.passed);
  return [
    ...failing.map((result) =>
      annotation('error', `parity on ${result.backend.name}`, [
        failureSentence(result),
        ...(result === failing[0] ? advice(verification) : []),
      ]),
    ),
    ...(passed ? [annotation('notice', 'parity with PyTorch', [verdict(verification)])] : []),
    ...luckySentences(results).map((each) => annotation('warning', 'top-1 by luck', [each])),
  ];
}

/** What is known about the first failing backend. */
function advice({ diagnosis }: Verification): string[] {
  if (diagnosis === null) return [];
  const { cause, hints } = diagnosis;
  return cause === null ? [...hints] : [`likely cause: ${cause.summary}`, cause.cure];
}

function annotation(level: Level, title: string, lines: readonly string[]): string {
  return workflowCommand(level, `pth2tfjs: ${title}`, lines.map(printable).join('\n'));
}

/**
 * A workflow command as a runner reads it; see "Workflow commands for GitHub Actions" in GitHub's
 * documentation and `packages/core/src/command.ts` of actions/toolkit for the escapes.
 */
export function workflowCommand(level: Level, title: string, message: string): string {
  return `::${level} title=${escapeProperty(title)}::${escapeData(message)}`;
}

function escapeData(text: string): string {
  return text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replace(/:/g, '%3A').replace(/,/g, '%2C');
}
