import { describe, expect, test } from 'vitest';
import { asFlags, FLAGS, withFlags } from '../../cli/flags.js';
import { type OptionName, option } from '../../src/base/option.js';
import { formatReport, REPORT_FORMATS } from '../../src/verify/report/format-report.js';
import { pth2tfjs } from '../helpers/cli.js';
import { CAUSE, verification } from '../helpers/report-fixtures.js';

describe('options in messages are flags on the command line', () => {
  test.each<[OptionName, string | number | boolean | undefined, string, string]>([
    ['imageSize', 64, '`imageSize: 64`', '--image-size 64'],
    ['transformInput', true, '`transformInput: true`', '--transform-input'],
    ['transformInput', false, '`transformInput: false`', '--no-transform-input'],
    ['rtol', '5.0e-5', '`rtol: 5.0e-5`', '--rtol 5.0e-5'],
    ['quantization', undefined, '`quantization`', '--quantize'],
    ['format', 'layers', "`format: 'layers'`", '--format layers'],
    ['key', 'net.model', "`key: 'net.model'`", '--key net.model'],
    ['key', "it's `a` \\b", "`key: 'it\\'s `a` \\\\b'`", "--key it's `a` \\b"],
  ])('%s: %s', (name, value, text, flag) => {
    expect(option(name, value)).toBe(text);
    expect(asFlags(`pass ${text}, or not`)).toBe(`pass ${flag}, or not`);
  });

  test('other names in backticks stay as they are', () => {
    expect(asFlags('padded as `same`, `constructor`')).toBe('padded as `same`, `constructor`');
  });

  test('wherever a text stands in a value, but not in its numbers', () => {
    const numbers = Float32Array.of(1);
    const value = { hints: ['`key`'], at: new Map([['`key`', 1]]), numbers, none: null };
    expect(withFlags(value)).toEqual({ ...value, hints: ['--key'] });
    expect(withFlags(value).numbers).toBe(numbers);
  });

  test('each is a flag of some command', async () => {
    const commands = ['convert', 'verify', 'inspect', 'classify', 'export'];
    const help = await Promise.all(commands.map((each) => pth2tfjs(each, '--help')));
    const text = help.map(({ stdout }) => stdout).join('\n');
    for (const flag of Object.values(FLAGS)) expect(text).toMatch(new RegExp(`--${flag}\\b`));
  });

  test.each(REPORT_FORMATS)('a report as %s names flags where it is told to', (format) => {
    const failing = verification({ errors: { wasm: () => 0.1 }, diagnosis: CAUSE });
    const told = formatReport(withFlags(failing), format, { word: asFlags });
    expect(told).not.toMatch(/`(rtol|atol)/);
    if (format !== 'json') expect(told).toMatch(/--rtol \d/);
  });
});
