import { option } from '../../base/option.js';
import { counted } from '../../base/plural.js';
import type { Provenance } from '../../stored-model/provenance.js';
import { FACTOR } from '../bound.js';
import type { Comparison, ImageComparison } from '../compare.js';
import type { Cause } from '../diagnosis.js';
import type { Statistics } from '../layers.js';
import type { Tolerance } from '../tolerance.js';
import type { BackendResult, Verification } from '../verification.js';
import { failedImages, firstJump, sameTop1, smallestPassing } from './facts.js';

/** Longer lists of images are cut. */
const MAX_LISTED = 8;

/** A small number as people read it: `2.28e-5`. */
export function exponent(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}

/** A bound as it was asked for, with all of its digits. */
export function exact(bound: number): string {
  const short = exponent(bound);
  return Number(short) === bound ? short : bound.toExponential();
}

/** Rounded up to three digits, so that the number shown is itself large enough. */
export function roundedUp(value: number): string {
  const short = exponent(value);
  if (!(Number(short) < value)) return short;
  const [digits = '', power = ''] = short.split('e');
  const hundredths = Math.round(Number(digits) * 100) + 1;
  return Number(`${hundredths}e${Number(power) - 2}`).toExponential(2);
}

/** The bounds of a tolerance in words. */
export function bounds({ rtol, atol, top1 }: Tolerance): string {
  const parts = [
    ...(rtol === null ? [] : [`${exact(rtol)} on ‖Δ‖/‖ref‖`]),
    ...(atol === null ? [] : [`${exact(atol)} on max |Δ|`]),
    ...(top1 ? ['the same top-1'] : []),
  ];
  return parts.join(', ');
}

/** Why the default is taken, after `the default, since …`. */
const WHY_DEFAULT = {
  macs: `to measure the noise of float32 takes longer than a second; ${option('rtol', 'measured')} does it`,
  beyond: 'the error is beyond what the noise of float32 may excuse',
  graph: 'the model is not as convert writes it',
  precision: 'less than float32 is computed or stored',
} as const;

/** Where a bound comes from, in words; nothing to say of one that was given. */
export function basisWords({ basis, backend }: BackendResult): string | undefined {
  if (basis.from === 'given') return undefined;
  if (basis.from === 'near') return 'not measured, for every image is that near';
  if (basis.from === 'default') return `the default, since ${WHY_DEFAULT[basis.why]}`;
  if (basis.from === 'quantized') {
    const { runError, runBound, cost, costBound } = basis.cost;
    return `${backend.name} is ${exponent(runError)} from float64 of the stored weights, of at most ${exponent(runBound)}; storing them so costs ${exponent(cost)}, of at most ${exponent(costBound)} that rounding explains`;
  }
  const { graph, torch, withCheckpoint, backendError, goldenError } = basis.noise;
  const [own, theirs] = [exponent(graph), exponent(torch)];
  const both = withCheckpoint
    ? `of the model's graph, ${own}, and of PyTorch's, ${theirs}`
    : `${own}, on both sides`;
  const [near, far] =
    backendError <= goldenError ? [backend.name, 'PyTorch'] : ['PyTorch', backend.name];
  const errors = [backendError, goldenError].sort((a, b) => a - b).map(exponent);
  return `${FACTOR} times the noise of float32 as measured, ${both}; ${near} lies nearer to float64, by ${errors[0]}, than ${far}, by ${errors[1]}`;
}

/** The bounds of a backend, and where they come from. */
export function toleranceWords(result: BackendResult): string {
  const basis = basisWords(result);
  const words = bounds(result.comparison.tolerance);
  return basis === undefined ? words : `${words} (${basis})`;
}

/** With a full stop, and a capital letter unless it begins with a name such as `transform_input`. */
export function sentence(words: string): string {
  const capital = words.replace(/^[a-z](?=[a-z]*(?:[ ,:]|$))/, (first) => first.toUpperCase());
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** The verdict in one sentence. */
export function verdict({ results, passed, diagnosis }: Verification): string {
  if (passed) return passSentence(results);
  const failing = results.filter(({ comparison }) => !comparison.passed);
  const cause = diagnosis?.cause ? [`likely cause: ${diagnosis.cause.summary}`] : [];
  return [...failing.map(failureSentence), ...cause].join('; ');
}

/** Backends that share a tolerance are named together. */
function passSentence(results: readonly BackendResult[]): string {
  const count = results[0]?.comparison.images.length ?? 0;
  const images = counted(count, 'image');
  const groups = new Map<string, string[]>();
  for (const { backend, comparison } of results) {
    const tolerance = bounds(comparison.tolerance);
    groups.set(tolerance, [...(groups.get(tolerance) ?? []), backend.name]);
  }
  const parts = [...groups].map(
    ([bound, names]) => `on ${names.join(', ')}: ${images} within ${bound}`,
  );
  return ['parity holds', [...parts, ...costs(results)].join('; ')].join(' ');
}

/** What it costs to have stored the weights in fewer bits, on one backend as on another. */
function costs(results: readonly BackendResult[]): string[] {
  const [first] = results.flatMap(({ basis, stored, comparison }) =>
    basis.from === 'quantized' ? [{ ...basis.cost, stored, of: comparison.images.length }] : [],
  );
  if (first === undefined) return [];
  const { cost, stored, top1Changes, of } = first;
  return [
    `storing the kernels as ${stored} costs ${exponent(cost)}, and changes the top class of ${top1Changes} of ${counted(of, 'image')}`,
  ];
}

/** Which images fail on a backend, and by how much. */
export function failureSentence({ backend, comparison, basis }: BackendResult): string {
  if (basis.from === 'quantized' && basis.cost.runError > basis.cost.runBound) {
    const { runError, runBound } = basis.cost;
    return `parity fails on ${backend.name}: it does not run what is stored, and is ${exponent(runError)} from float64 of the stored weights, where at most ${exponent(runBound)} is rounding`;
  }
  const list = `${imageList(failedImages(comparison))} of ${comparison.images.length}`;
  const worst = `the worst ‖Δ‖/‖ref‖ is ${exponent(comparison.required.rtol)}`;
  return `parity fails on ${backend.name}: ${list} not within ${bounds(comparison.tolerance)}; ${worst}`;
}

/** How the options in a text are shown; as `verifyModel` takes them unless said otherwise. */
export type Wording = (text: string) => string;

export const asOptions: Wording = (text) => text;

/** What would have let every image pass. */
export function smallestSentence(comparison: Comparison, word: Wording): string {
  const smallest = smallestPassing(comparison);
  if (smallest === null) return 'no tolerance would pass';
  const { rtol, atol } = smallest;
  return word(
    `smallest that would pass: ${option('rtol', roundedUp(rtol))} or ${option('atol', roundedUp(atol))}`,
  );
}

export function top1Words(image: ImageComparison): string {
  const [expected, actual] = [image.top5.expected[0], image.top5.actual[0]];
  return sameTop1(image) ? String(expected) : `${actual} instead of ${expected}`;
}

/** One sentence for each backend where a top class agrees only by luck. */
export function luckySentences(results: readonly BackendResult[]): string[] {
  return results.flatMap(({ backend, comparison }) => {
    const lucky = comparison.images.filter(({ luckyTop1 }) => luckyTop1);
    const [closest] = [...lucky].sort((a, b) => a.margin - b.margin);
    if (closest === undefined) return [];
    const list = imageList(lucky.map(({ image }) => image));
    const which = lucky.length === 1 ? '' : ` of image ${closest.image}`;
    const gap = `PyTorch's two best logits${which} are ${exponent(closest.margin)} apart`;
    const error = `no more than the error of ${exponent(closest.maxAbsoluteError)}`;
    return [`top-1 of ${list} agrees on ${backend.name} by luck: ${gap}, ${error}`];
  });
}

/** `image 3`, `images 1, 3`; a long list is cut. */
function imageList(images: readonly number[]): string {
  const shown = images.slice(0, MAX_LISTED).join(', ');
  const more = images.length - MAX_LISTED;
  return `${images.length === 1 ? 'image' : 'images'} ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}

const HARDWARE = {
  gpu: 'GPU',
  'software-gpu': 'software, no GPU',
  cpu: 'processor',
  unknown: 'unknown hardware',
} as const;

/** What a backend ran on, as pairs of label and text. */
export function backendPairs({ backend, millisecondsPerImage: time }: BackendResult): Pairs {
  const { device, driver, hardware, precision, versions } = backend;
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    ['device', list([device, driver])],
    ['computes', list([HARDWARE[hardware], precision])],
    ...(libraries.length === 0 ? [] : [['with', list(libraries)] as const]),
    ['speed', `${time.toFixed(time < 10 ? 1 : 0)} ms an image`],
  ];
}

/** The same in one line. */
export function backendFacts(result: BackendResult): string {
  return list(backendPairs(result).map(([, text]) => text));
}

/** Heads the list of what came nearest. */
export function triedWords(shown: number, total: number): string {
  const rest = total > shown ? `, the nearest ${shown} of ${total}` : '';
  return `tried, with the error that was left${rest}:`;
}

export type Pairs = readonly (readonly [label: string, text: string])[];

/** What was compared, where it came from and where it ran, as pairs of label and text. */
export function environment(verification: Verification): Pairs {
  const { model, golden, tool, runtime, provenance } = verification;
  const source = provenance.model?.source;
  const stored = verification.results[0]?.stored;
  const captured = provenance.golden;
  const libraries = Object.entries({ torch: captured?.torch, torchvision: captured?.torchvision });
  const flag = (value: boolean) => (value ? 'transform_input on' : 'transform_input off');
  return [
    [
      'model',
      list([
        model,
        source?.name && `from ${source.name}`,
        source === null && 'trained since it was converted',
        hash(source?.sha256),
        provenance.model && kind(provenance.model),
        stored && `kernels stored as ${stored}`,
        provenance.model && flag(provenance.model.transformInput),
      ]),
    ],
    [
      'golden',
      list([
        golden,
        ...libraries.map(([name, version]) => version && `${name} ${version}`),
        captured?.checkpoint && `from ${captured.checkpoint}`,
        hash(captured?.checkpointSha256),
        typeof captured?.transformInput === 'boolean' && flag(captured.transformInput),
        captured?.training === true && 'in training mode',
      ]),
    ],
    ['ran by', list([tool, runtime])],
  ];
}

/** What the model is, where it is not the usual. */
function kind({ format, input }: Provenance): string | null {
  if (format !== 'graph') return null;
  return input.kind === 'pixels' ? 'graph model that takes pixels' : 'graph model';
}

function hash(sha256: string | null | undefined): string | null {
  return sha256 ? `SHA-256 ${sha256.slice(0, 12)}…` : null;
}

function list(parts: readonly (string | false | null | undefined)[]): string {
  return parts.filter(Boolean).join(', ');
}

/** The likely cause and its cure. */
export function causeSentence({ summary, where, cure, ...errors }: Cause): string {
  const place = where === null || summary.includes(where) ? '' : `, at ${where}`;
  const [before, after] = [exponent(errors.errorBefore), exponent(errors.errorAfter)];
  const closed = errors.errorAfter < errors.errorBefore;
  const gap = `error ${before}${closed ? ` -> ${after}` : ''}`;
  return `Likely cause: ${summary}${place} (${gap}). ${cure}`;
}

/** The first jump of a backend: a headline, and the statistics of both sides. */
export interface JumpWords {
  readonly headline: string;
  readonly expected: string;
  readonly found: string;
}

export function jumpWords(result: BackendResult): JumpWords | null {
  const jump = firstJump(result);
  if (jump === undefined) return null;
  const { layer, relativeError, shape, actualShape } = jump;
  return {
    headline: `first layer whose error jumps on ${result.backend.name}: ${layer}, ‖Δ‖/‖ref‖ ${exponent(relativeError)}`,
    expected: `${describeStatistics(jump.expected)}  [${shape.join(', ')}]`,
    found: `${describeStatistics(jump.actual)}  [${(actualShape ?? shape).join(', ')}]`,
  };
}

function describeStatistics({ min, max, mean, std }: Statistics): string {
  const figures = Object.entries({ min, max, mean, std });
  return figures.map(([name, value]) => `${name} ${value.toPrecision(5)}`).join('  ');
}
