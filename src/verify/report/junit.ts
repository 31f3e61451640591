import type { ImageComparison } from '../compare.js';
import type { Diagnosis } from '../diagnosis.js';
import type { BackendResult, Verification } from '../verification.js';
import { escapeMarkup } from './escape.js';
import {
  agreement,
  firstJump,
  type LayeredResult,
  layeredResults,
  layerOutcome,
  nearestAttempts,
} from './facts.js';
import {
  asOptions,
  backendFacts,
  bounds,
  causeSentence,
  environment,
  exponent,
  jumpWords,
  luckySentences,
  smallestSentence,
  toleranceWords,
  top1Words,
  triedWords,
  type Wording,
} from './words.js';

/**
 * JUnit's XML, as Jenkins, GitLab and others read it: a suite for each backend, a case for each image
 * and for each layer. Layers never fail where the images pass; where they do not, the first that jumps
 * fails, and what is beyond the bound after it is skipped, for its error may be inherited.
 */
export function formatJUnit(
  verification: Verification,
  { word = asOptions }: { readonly word?: Wording } = {},
): string {
  const suites = verification.results.map((result) => suiteOf(result, verification, word));
  const totals = sum(suites);
  const name = `pth2tfjs verify ${verification.model}`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    element('testsuites', { name, ...counts(totals) }, suites.map(writeSuite)),
  ].join('\n');
}

interface Case {
  readonly classname: string;
  readonly name: string;
  readonly seconds: number;
  readonly failure?: { readonly message: string; readonly text: string };
  readonly skipped?: string;
  readonly output?: string;
}

interface Suite {
  readonly name: string;
  readonly properties: readonly (readonly [name: string, value: string])[];
  readonly cases: readonly Case[];
  readonly output: string;
}

function suiteOf(result: BackendResult, verification: Verification, word: Wording): Suite {
  const { backend, comparison } = result;
  const diagnosis = comparison.passed ? null : verification.diagnosis;
  return {
    name: backend.name,
    properties: [
      ...environment(verification),
      ['backend', backendFacts(result)],
      ['tolerance', word(toleranceWords(result))],
      ['required', smallestSentence(comparison, word)],
    ],
    cases: [
      ...comparison.images.map((image) => imageCase(image, result, diagnosis)),
      ...layeredResults([result]).flatMap(layerCases),
    ],
    output: [...luckySentences([result]), ...diagnosisLines(diagnosis)].join('\n'),
  };
}

function imageCase(
  image: ImageComparison,
  result: BackendResult,
  diagnosis: Diagnosis | null,
): Case {
  const { backend, comparison, millisecondsPerImage } = result;
  const name = `image ${image.image}`;
  const measured = imageWords(image);
  return {
    classname: `${backend.name}.images`,
    name,
    seconds: millisecondsPerImage / 1000,
    ...(image.passed
      ? { output: measured }
      : {
          failure: {
            message: `${name} is not within ${bounds(comparison.tolerance)}: ${measured}`,
            // Where dashboards look; not all show what a suite printed.
            text: [
              failureText(image),
              ...(diagnosis?.cause ? [causeSentence(diagnosis.cause)] : []),
            ].join('\n'),
          },
        }),
  };
}

function imageWords(image: ImageComparison): string {
  const errors = `‖Δ‖/‖ref‖ ${exponent(image.relativeError)}, max |Δ| ${exponent(image.maxAbsoluteError)}`;
  return `${errors}, top-1 ${top1Words(image)}, top-5 ${agreement(image)}/${image.top5.expected.length}`;
}

function failureText({ top5, cosine }: ImageComparison): string {
  return [
    `top-5 expected  ${top5.expected.join(', ')}`,
    `top-5 found     ${top5.actual.join(', ')}`,
    `1 - cosine      ${exponent(1 - cosine)}`,
  ].join('\n');
}

function layerCases(result: LayeredResult): Case[] {
  const jump = firstJump(result)?.layer;
  return result.layers.layers.map((layer) => {
    const outcome = layerOutcome(result, layer);
    const error = `‖Δ‖/‖ref‖ ${exponent(layer.relativeError)}`;
    const reason = result.comparison.passed
      ? 'the images pass'
      : `the error jumps first at ${jump}`;
    return {
      classname: `${result.backend.name}.layers`,
      name: layer.layer,
      seconds: 0,
      ...(outcome === 'within' ? { output: error } : {}),
      ...(outcome === 'beyond' ? { skipped: `not judged: ${error}, but ${reason}` } : {}),
      ...(outcome === 'first jump' ? { failure: jumpFailure(result) } : {}),
    };
  });
}

function jumpFailure(result: BackendResult): { message: string; text: string } {
  const { headline = '', expected = '', found = '' } = jumpWords(result) ?? {};
  return { message: headline, text: `expected  ${expected}\nfound     ${found}` };
}

function diagnosisLines(diagnosis: Diagnosis | null): string[] {
  if (diagnosis === null) return [];
  const { cause, attempts, hints } = diagnosis;
  if (cause !== null) return [causeSentence(cause)];
  const { nearest, total } = nearestAttempts(attempts);
  const tried = nearest.map(({ description, error }) => `${exponent(error)}  ${description}`);
  return [
    'No usual suspect closes the gap.',
    ...hints,
    triedWords(nearest.length, total),
    ...tried,
  ];
}

type Totals = Readonly<Record<'tests' | 'failures' | 'skipped' | 'seconds', number>>;

function sum(suites: readonly Suite[]): Totals {
  const cases = suites.flatMap((suite) => suite.cases);
  return {
    tests: cases.length,
    failures: cases.filter(({ failure }) => failure !== undefined).length,
    skipped: cases.filter(({ skipped }) => skipped !== undefined).length,
    seconds: cases.reduce((total, { seconds }) => total + seconds, 0),
  };
}

function counts({ tests, failures, seconds }: Totals): Record<string, string> {
  return { tests: `${tests}`, failures: `${failures}`, errors: '0', time: seconds.toFixed(3) };
}

function writeSuite(suite: Suite): string {
  const totals = sum([suite]);
  return element(
    'testsuite',
    { name: suite.name, ...counts(totals), skipped: `${totals.skipped}` },
    [
      element(
        'properties',
        {},
        suite.properties.map(([name, value]) => element('property', { name, value })),
      ),
      ...suite.cases.map(writeCase),
      ...(suite.output === '' ? [] : [element('system-out', {}, escapeMarkup(suite.output))]),
    ],
  );
}

function writeCase({ classname, name, seconds, failure, skipped, output }: Case): string {
  return element('testcase', { classname, name, time: seconds.toFixed(3) }, [
    ...(skipped === undefined ? [] : [element('skipped', { message: skipped })]),
    ...(failure === undefined
      ? []
      : [
          element(
            'failure',
            { type: 'parity', message: failure.message },
            escapeMarkup(failure.text),
          ),
        ]),
    ...(output === undefined ? [] : [element('system-out', {}, escapeMarkup(output))]),
  ]);
}

/** @param content elements, or text that is escaped already */
function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  content: string | readonly string[] = [],
): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeMarkup(value)}"`);
  const open = `<${name}${list.join('')}`;
  if (content.length === 0) return `${open}/>`;
  const inner = typeof content === 'string' ? content : `\n${content.join('\n')}\n`;
  return `${open}>${inner}</${name}>`;
}
