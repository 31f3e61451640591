import { describe, expect, test } from 'vitest';
import { printable } from '../../src/base/printable.js';
import { formatReport } from '../../src/verify/report/format-report.js';
import { HOSTILE, layerReport, verification } from '../helpers/report-fixtures.js';
import { junitErrors, xmlElements } from './report-parse.js';
import { ALL, FAILING, HOSTILE_NAMES } from './reports.js';

describe('JUnit', () => {
  test.each(ALL)('%s: is valid, and counts right', async (_, made) => {
    const xml = formatReport(made, 'junit');
    expect(await junitErrors(xml)).toEqual([]);
    const suites = xmlElements(xml, 'testsuite');
    expect(suites.map((suite) => suite.getAttribute('name'))).toEqual(
      made.results.map(({ backend }) => backend.name),
    );
    for (const element of [...suites, ...xmlElements(xml, 'testsuites')]) {
      const count = (name: string) => String(element.getElementsByTagName(name).length);
      expect(element.getAttribute('tests')).toBe(count('testcase'));
      expect(element.getAttribute('failures')).toBe(count('failure'));
      expect(element.getAttribute('skipped') ?? count('skipped')).toBe(count('skipped'));
    }
    expect(xmlElements(xml, 'failure').length > 0).toBe(!made.passed);
  });

  test('the schema refuses what is none', async () => {
    expect(await junitErrors('<testsuites><testsuite name="x"/></testsuites>')).not.toEqual([]);
    expect(await junitErrors('<testsuites>')).not.toEqual([]);
  });

  test('fails the images and the first layer that are to blame, and no other', () => {
    const outcomes = xmlElements(formatReport(FAILING, 'junit'), 'testcase').map((element) => {
      const [child] = Array.from(element.childNodes).filter(({ nodeType }) => nodeType === 1);
      return [element.getAttribute('classname'), element.getAttribute('name'), child?.nodeName];
    });
    expect(outcomes).toEqual([
      ['wasm.images', 'image 0', 'system-out'],
      ['wasm.images', 'image 1', 'failure'],
      ['wasm.images', 'image 2', 'system-out'],
      ['wasm.layers', 'conv1', 'system-out'],
      ['wasm.layers', 'maxpool1', 'system-out'],
      ['wasm.layers', 'inception3a.branch1', 'failure'],
      ['wasm.layers', 'inception3a', 'skipped'],
      ['wasm.layers', 'fc', 'skipped'],
      ['webgpu.images', 'image 0', 'system-out'],
      ['webgpu.images', 'image 1', 'system-out'],
      ['webgpu.images', 'image 2', 'system-out'],
    ]);
  });

  test('never fails a layer where the images pass', () => {
    const layers = { wasm: layerReport({ conv1: 1e-7, fc: 1 }, 'fc') };
    expect(xmlElements(formatReport(verification({ layers }), 'junit'), 'failure')).toEqual([]);
  });

  test('gives the time in seconds, the environment, and the cause', () => {
    const xml = formatReport(FAILING, 'junit');
    expect(xmlElements(xml, 'testcase')[0]?.getAttribute('time')).toBe('0.115');
    expect(xmlElements(xml, 'testsuite')[0]?.getAttribute('time')).toBe('0.344');
    const values = xmlElements(xml, 'property').map((each) => each.getAttribute('value'));
    expect(values.join('\n')).toMatch(/torch 2\.13\.0[\s\S]*SwiftShader Device/);
    const output = xmlElements(xml, 'system-out').find(
      ({ parentNode }) => parentNode?.nodeName === 'testsuite',
    );
    expect(output?.textContent).toContain('transform_input was on in PyTorch');
  });

  test('keeps hostile names as names', () => {
    const names = xmlElements(formatReport(HOSTILE_NAMES, 'junit'), 'testcase').map((each) =>
      each.getAttribute('name'),
    );
    expect(names).toContain(printable(HOSTILE));
  });
});
