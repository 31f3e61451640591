import type { BackendResult, Verification } from '../verification.js';
import { colour, px } from './html-marks.js';
import { type Markup, markup } from './html-text.js';
import { exponent } from './words.js';

/** Dots that one backend's panel may hold: enough to show the shape, few enough for a small page. */
const MAX_POINTS = 1500;

const SIZE = 300;
const STRIP = { top: 24, height: 90 };
const EDGE = { left: 52, right: 10, top: 10, bottom: 22 };
const HEIGHT = EDGE.top + SIZE + STRIP.top + STRIP.height + EDGE.bottom + 16;
const WIDTH = EDGE.left + SIZE + EDGE.right;

interface Point {
  readonly index: number;
  readonly expected: number;
  readonly actual: number;
  readonly passed: boolean;
}

/** A panel for each backend: its logits over PyTorch's, and below what is left between the two. */
export function logitCharts({ expected, results }: Verification): Markup {
  const { logits, numClasses } = expected;
  const panels = results.map((result, series) => {
    const passed = result.comparison.images.map((image) => image.passed);
    const points = choosePoints(logits, result.logits).map((point) => ({
      ...point,
      passed: passed[Math.floor(point.index / numClasses)] ?? true,
    }));
    return panel(result, series, points);
  });
  const total = logits.length;
  const chosen =
    total <= MAX_POINTS
      ? `All ${total} logits, as far as they are finite.`
      : `${MAX_POINTS} of ${total} logits, spread evenly, and the one with the largest error.`;
  return markup`<div class="panels">${panels}
<p class="soft">${chosen} On the diagonal the two agree; the strip below shows what is left between them, on a scale of its own. Dots are logits of images that pass, crosses of images that fail.</p></div>`;
}

/** A sample that visits all images and classes alike, and the largest error; only finite values. */
function choosePoints(expected: Float32Array, actual: Float32Array): Omit<Point, 'passed'>[] {
  const total = expected.length;
  const stride = coprime(Math.round(total * 0.618), total);
  const points: Omit<Point, 'passed'>[] = [];
  let worst: Omit<Point, 'passed'> | undefined;
  for (let i = 0; i < total; i++) {
    const index = (i * stride) % total;
    const point = { index, expected: expected[index] as number, actual: actual[index] as number };
    if (!Number.isFinite(point.actual - point.expected)) continue;
    if (points.length < MAX_POINTS) points.push(point);
    if (worst === undefined || error(point) > error(worst)) worst = point;
  }
  if (worst !== undefined && !points.includes(worst)) points[points.length - 1] = worst;
  return points;
}

/** The next number from `start` on that shares no factor with `total`, so that its multiples meet every index. */
function coprime(start: number, total: number): number {
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  let step = Math.max(1, start);
  while (common(step, total) !== 1) step++;
  return step;
}

function error({ expected, actual }: Pick<Point, 'expected' | 'actual'>): number {
  return Math.abs(actual - expected);
}

function panel({ backend, comparison }: BackendResult, series: number, points: Point[]): Markup {
  const name = `logits-${series}`;
  const title = `Logits of ${backend.name} over those of PyTorch`;
  const verdict = comparison.passed ? 'passes' : 'fails';
  const heading = markup`<h3 class="${colour(series)}"><span>${backend.name}</span></h3>`;
  if (points.length === 0) {
    return markup`<figure>${heading}<p>No logit on ${backend.name} is a finite number.</p></figure>`;
  }
  const largest = points.reduce((max, point) => Math.max(max, error(point)), 0);
  return markup`<figure>${heading}<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${name}">
<title id="${name}">${`${title}: the largest difference drawn is ${exponent(largest)}; ${backend.name} ${verdict}.`}</title>
${square(points, series)}${strip(points, series, largest)}</svg></figure>`;
}

/** Maps the values' range, with a little air, to a line of the drawing. */
function linear(low: number, high: number, from: number, to: number): (value: number) => number {
  const air = (high - low) * 0.04 || Math.abs(high) * 0.04 || 1;
  return (value) => from + ((value - low + air) / (high - low + 2 * air)) * (to - from);
}

function range(values: readonly number[]): [low: number, high: number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

/** About four round numbers within the range. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= rough) ?? rough;
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}

function square(points: readonly Point[], series: number): Markup {
  const [low, high] = range(points.flatMap(({ expected, actual }) => [expected, actual]));
  const x = linear(low, high, EDGE.left, EDGE.left + SIZE);
  const y = linear(low, high, EDGE.top + SIZE, EDGE.top);
  const [left, floor] = [EDGE.left, EDGE.top + SIZE];
  const lines = ticks(low, high).map(
    (value) =>
      markup`<path class="grid" d="M${left} ${px(y(value))}h${SIZE}M${px(x(value))} ${floor}v-${SIZE}"/><text x="${left - 6}" y="${px(y(value) + 4)}" text-anchor="end">${label(value)}</text>`,
  );
  return markup`${lines}<rect class="frame" x="${left}" y="${EDGE.top}" width="${SIZE}" height="${SIZE}"/>
<path class="diagonal" d="M${left} ${floor}L${left + SIZE} ${EDGE.top}"/>
<text x="${left + 8}" y="${EDGE.top + 16}">found</text>${dots(points, series, (p) => [x(p.expected), y(p.actual)])}`;
}

function strip(points: readonly Point[], series: number, largest: number): Markup {
  const [low, high] = range(points.flatMap(({ expected, actual }) => [expected, actual]));
  const top = EDGE.top + SIZE + STRIP.top;
  const floor = top + STRIP.height;
  const x = linear(low, high, EDGE.left, EDGE.left + SIZE);
  const y = linear(-largest, largest, floor, top);
  const marks = [-largest, 0, largest].map(
    (value) =>
      markup`<path class="grid" d="M${EDGE.left} ${px(y(value))}h${SIZE}"/><text x="${EDGE.left - 6}" y="${px(y(value) + 4)}" text-anchor="end" font-size="10">${value === 0 ? '0' : value.toExponential(1).replace('-', '−')}</text>`,
  );
  const below = ticks(low, high).map(
    (value) =>
      markup`<text x="${px(x(value))}" y="${floor + 16}" text-anchor="middle">${label(value)}</text>`,
  );
  return markup`${largest > 0 && marks}<rect class="frame" x="${EDGE.left}" y="${top}" width="${SIZE}" height="${STRIP.height}"/>
<text x="${EDGE.left + 8}" y="${top - 6}">found − expected</text>${below}<text x="${EDGE.left + SIZE}" y="${floor + 32}" text-anchor="end">expected, by PyTorch</text>${dots(
    points,
    series,
    (p) => [x(p.expected), y(p.actual - p.expected)],
  )}`;
}

function label(value: number): string {
  const short = Number(value.toPrecision(6));
  const text =
    Math.abs(short) >= 1e5 || (short !== 0 && Math.abs(short) < 1e-3)
      ? short.toExponential()
      : String(short);
  return text.replace(/-/g, '−');
}

function dots(
  points: readonly Point[],
  series: number,
  place: (point: Point) => readonly [number, number],
): Markup {
  const draw = (passed: boolean, shape: string) =>
    points
      .filter((point) => point.passed === passed)
      .map((point) => {
        const [x, y] = place(point);
        return `M${px(x)} ${px(y)}${shape}`;
      })
      .join('');
  return markup`<g class="${colour(series)}"><path class="dots" d="${draw(true, 'h0')}"/><path class="crosses" d="${draw(false, 'm-3-3l6 6m0-6l-6 6')}"/></g>`;
}
