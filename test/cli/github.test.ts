import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { asFlags } from '../../cli/flags.js';
import { reportToGitHub, workflowCommand } from '../../cli/github.js';
import { formatReport } from '../../src/verify/report/format-report.js';
import type { Verification } from '../../src/verify/verification.js';
import { temporaryFolder } from '../helpers/cli.js';
import { CAUSE, HOSTILE, NO_CAUSE, noise, verification } from '../helpers/report-fixtures.js';

const tmp = temporaryFolder();
const PASSING = verification({ errors: { wasm: noise(1e-5), webgpu: noise(1e-5) } });
const FAILING = verification({
  errors: { wasm: noise(1e-5), webgpu: noise(1) },
  diagnosis: CAUSE,
});

/** What is written for a verification, line by line. */
async function linesOf(
  made: Verification,
  env: Record<string, string> = { GITHUB_ACTIONS: 'true' },
): Promise<string[]> {
  let written = '';
  await reportToGitHub(made, env, (text) => {
    written += text;
  });
  expect(written === '' || written.endsWith('\n')).toBe(true);
  return written === '' ? [] : written.slice(0, -1).split('\n');
}

/** Reads a command as the runner does: `::name key=value,key=value::message`, then the escapes. */
function parseCommand(line: string) {
  const [, level, properties = '', message = ''] = /^::(\w+) (.*?)::(.*)$/.exec(line) ?? [];
  const decode = (text: string) =>
    text
      .replace(/%0D/g, '\r')
      .replace(/%0A/g, '\n')
      .replace(/%3A/g, ':')
      .replace(/%2C/g, ',')
      .replace(/%25/g, '%');
  const pairs = properties.split(',').map((pair) => pair.split('='));
  return { level, pairs: pairs.map((pair) => pair.map(decode)), message: decode(message) };
}

describe('annotations', () => {
  test('are escaped as GitHub documents', () => {
    // The samples by which actions/toolkit tests its own command.ts.
    const data = 'percent % percent % cr \r cr \r lf \n lf \n';
    const escaped = 'percent %25 percent %25 cr %0D cr %0D lf %0A lf %0A';
    expect(workflowCommand('error', 'x', data)).toBe(`::error title=x::${escaped}`);
    expect(workflowCommand('notice', `${data} colon : colon : comma , comma ,`, '')).toBe(
      `::notice title=${escaped} colon %3A colon %3A comma %2C comma %2C::`,
    );
    expect(workflowCommand('warning', '', '%0A ::error::')).toBe(
      '::warning title=::%250A ::error::',
    );
  });

  test('are silent outside GitHub Actions', async () => {
    const summary = join(tmp, 'outside.md');
    expect(await linesOf(FAILING, {})).toEqual([]);
    expect(await linesOf(FAILING, { GITHUB_STEP_SUMMARY: summary })).toEqual([]);
    expect(() => readFileSync(summary)).toThrow('ENOENT');
  });

  test('say in one notice that parity holds', async () => {
    const commands = (await linesOf(PASSING)).map(parseCommand);
    expect(commands).toHaveLength(1);
    expect(commands[0]?.level).toBe('notice');
    expect(commands[0]?.message).toMatch(/^parity holds on wasm, webgpu: 4 images within/);
  });

  test('give an error for each backend that fails, the cause and the cure with it', async () => {
    const commands = (await linesOf(FAILING)).map(parseCommand);
    const errors = commands.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]?.pairs).toEqual([['title', 'pth2tfjs: parity on webgpu']]);
    expect(errors[0]?.message.split('\n').slice(1)).toEqual([
      'likely cause: transform_input was on in PyTorch',
      'Convert again with --transform-input.',
    ]);
  });

  test('warn of a top class that agrees by luck', async () => {
    const lucky = verification({
      images: 1,
      numClasses: 3,
      logits: [1, 4, 4.25],
      errors: { wasm: () => 0.5 },
      tolerance: { rtol: 1 },
    });
    expect((await linesOf(lucky)).map(parseCommand).map(({ level }) => level)).toEqual([
      'notice',
      'warning',
    ]);
  });

  test('take nothing from a hostile name for a command', async () => {
    const hostile = verification({
      name: HOSTILE,
      errors: { wasm: noise(1) },
      diagnosis: { ...NO_CAUSE, hints: [`\n::add-mask::x${HOSTILE}`] },
    });
    const lines = await linesOf(hostile);
    const levels = lines.map((line) => parseCommand(line).level);
    expect(levels).toEqual(levels.filter((level) => level === 'error' || level === 'warning'));
    expect(parseCommand(lines[0] as string).message).toContain('%0A::error::x\\x0a');
  });
});

describe('the summary of the job', () => {
  const inActions = (summary: string) => ({ GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary });

  test('gets the report behind what is there', async () => {
    const summary = join(tmp, 'summary.md');
    writeFileSync(summary, 'before\n');
    await linesOf(FAILING, inActions(summary));
    const report = formatReport(FAILING, 'markdown', { word: asFlags });
    expect(readFileSync(summary, 'utf8')).toBe(`before\n\n${report}\n`);
  });

  test('fails with one warning where it cannot be written', async () => {
    const folder = join(tmp, 'folder');
    mkdirSync(folder);
    const commands = (await linesOf(PASSING, inActions(folder))).map(parseCommand);
    expect(commands.map(({ level }) => level)).toEqual(['notice', 'warning']);
    expect(commands[1]?.message).toMatch(/^cannot add the report to the job's summary: .*EISDIR/);
  });
});
