import { firstJump, type LayeredResult, type LayerRow, layerBound, layerRows } from './facts.js';
import { colour, dash, legend, marker, px } from './html-marks.js';
import { type Markup, markup } from './html-text.js';
import { exact, exponent } from './words.js';

const [WIDTH, HEIGHT] = [1000, 400];
const EDGE = { left: 64, right: 26, top: 28, bottom: 86 };
/** Closer together, the slanted names on the axis would run into one another. */
const LABEL_GAP = 22;
const MAX_LABEL = 16;
/** Names of jumps stand above the frame, one under the other. */
const LANE = 18;

/** Where things lie on the chart. Errors that are no number have a row above, zeros one below. */
interface Scale {
  readonly rows: readonly LayerRow[];
  readonly top: number;
  readonly x: (index: number) => number;
  readonly y: (error: number) => number;
  readonly decades: readonly number[];
  readonly hasZero: boolean;
  readonly hasNone: boolean;
}

const [RIGHT, FLOOR] = [WIDTH - EDGE.right, HEIGHT - EDGE.bottom];

/** The error of each layer in network order, on a logarithmic scale: one line for each backend. */
export function layerChart(results: readonly LayeredResult[]): Markup {
  const scale = makeScale(results);
  const names = results.map(({ backend }) => backend.name);
  const key = markup`<svg viewBox="0 0 38 14" aria-hidden="true"><path class="bound" d="M0 7H38"/></svg><span>tolerance</span>`;
  return markup`<figure>${legend(names, [key])}
<div class="scroll" tabindex="0" role="group" aria-label="Chart of the error of each layer"><svg class="wide" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="layers-title layers-desc">
<title id="layers-title">Error of each layer, in network order</title>
<desc id="layers-desc">${describe(results)}</desc>
${blocks(scale)}${axes(scale)}${bounds(results, scale)}${results.map((result, series) => line(result, series, scale))}${jumpMarks(results, scale)}</svg></div>
<figcaption>‖Δ‖/‖ref‖ of each layer over all images, on a logarithmic scale, in network order (the branches of an Inception block one after the other). The numbers are in the table below.</figcaption></figure>`;
}

function describe(results: readonly LayeredResult[]): string {
  return results
    .map((result) => {
      const jump = firstJump(result);
      const place =
        jump === undefined ? 'no layer jumps' : `the error jumps first at ${jump.layer}`;
      return `${result.backend.name}: ${place}.`;
    })
    .join(' ');
}

function makeScale(results: readonly LayeredResult[]): Scale {
  const rows = layerRows(results);
  const errors = results.flatMap(({ layers }) => layers.layers.map((each) => each.relativeError));
  const { low, high } = powersOfTen([...errors, ...results.map(layerBound)]);
  const [hasZero, hasNone] = [errors.includes(0), errors.some((error) => !Number.isFinite(error))];
  const lanes = rows.filter(({ jumpsOn }) => jumpsOn.length > 0).length;
  const top = EDGE.top + LANE * Math.max(0, lanes - 1);
  const [ceiling, bottom] = [top + (hasNone ? 26 : 0), FLOOR - (hasZero ? 26 : 0)];
  const span = (RIGHT - EDGE.left) / Math.max(1, rows.length);
  const step = Math.ceil((high - low) / 9);
  return {
    rows,
    top,
    x: (index) => EDGE.left + (index + 0.5) * span,
    y: (error) => {
      if (error === 0) return FLOOR - 8;
      if (!Number.isFinite(error)) return top + 8;
      return bottom - ((Math.log10(error) - low) / (high - low)) * (bottom - ceiling);
    },
    decades: Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, i) => low + i * step),
    hasZero,
    hasNone,
  };
}

/** The powers of ten around all values that a logarithm can be taken of. */
function powersOfTen(values: readonly number[]): { low: number; high: number } {
  const powers = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  if (powers.length === 0) return { low: -8, high: 0 };
  const low = Math.floor(Math.min(...powers));
  return { low, high: Math.max(low + 1, Math.ceil(Math.max(...powers))) };
}

function axes({ top, y, decades, hasZero, hasNone }: Scale): Markup {
  const tick = (at: number, label: Markup | string) =>
    markup`<path class="grid" d="M${EDGE.left} ${px(at)}H${RIGHT}"/><text x="${EDGE.left - 8}" y="${px(at + 4)}" text-anchor="end">${label}</text>`;
  const ticks = decades.map((power) => {
    const raised = markup`<tspan dy="-5" font-size="9">${String(power).replace('-', '−')}</tspan>`;
    return tick(y(10 ** power), markup`10${raised}`);
  });
  return markup`${ticks}${hasZero && tick(y(0), '0')}${hasNone && tick(y(NaN), 'NaN, ∞')}
<rect class="frame" x="${EDGE.left}" y="${top}" width="${RIGHT - EDGE.left}" height="${FLOOR - top}"/>`;
}

/** A band for each block of the network, every other one shaded, and the names that there is room for. */
function blocks(scale: Scale): Markup[] {
  const found: { name: string; from: number; count: number }[] = [];
  scale.rows.forEach(({ layer }, from) => {
    const name = layer.split('.')[0] ?? '';
    const last = found.at(-1);
    if (last?.name === name) last.count++;
    else found.push({ name, from, count: 1 });
  });
  const half = (scale.x(1) - scale.x(0)) / 2;
  const labelled: number[] = [];
  for (const { from } of [...found].sort((a, b) => b.count - a.count)) {
    const room = labelled.every((other) => Math.abs(scale.x(from) - scale.x(other)) >= LABEL_GAP);
    if (room) labelled.push(from);
  }
  return found.map(({ name, from, count }, nth) => {
    const [left, width] = [px(scale.x(from) - half), px(2 * half * count)];
    const band = markup`<rect class="band" x="${left}" y="${scale.top}" width="${width}" height="${FLOOR - scale.top}"/>`;
    return markup`${nth % 2 === 1 && band}${labelled.includes(from) && blockLabel(name, scale.x(from))}`;
  });
}

function blockLabel(name: string, x: number): Markup {
  const short = name.length > MAX_LABEL ? `${name.slice(0, MAX_LABEL - 1)}…` : name;
  return markup`<path class="frame" d="M${px(x)} ${FLOOR}v5"/><text transform="translate(${px(x + 3)} ${FLOOR + 15}) rotate(-42)" text-anchor="end">${short}</text>`;
}

/** One line for each bound, named where backends differ. */
function bounds(results: readonly LayeredResult[], { y }: Scale): Markup[] {
  const values = [...new Set(results.map(layerBound))].filter((bound) => bound > 0);
  return values.map((bound) => {
    const at = y(bound);
    return markup`<path class="bound" d="M${EDGE.left} ${px(at)}H${RIGHT}"/><text class="strong" x="${EDGE.left + 6}" y="${px(at - 5)}">tolerance ${exact(bound)}</text>`;
  });
}

function line({ backend, layers }: LayeredResult, series: number, { rows, x, y }: Scale): Markup {
  const errors = new Map(layers.layers.map(({ layer, relativeError }) => [layer, relativeError]));
  const points = rows.flatMap(({ layer }, index) => {
    const error = errors.get(layer);
    return error === undefined ? [] : [{ layer, error, x: x(index), y: y(error) }];
  });
  const path = points.map((point, i) => `${i === 0 ? 'M' : 'L'}${px(point.x)} ${px(point.y)}`);
  const marks = points.map(
    (point) =>
      markup`<path class="mark-fill" d="${marker(series, point.x, point.y)}"><title>${`${point.layer} on ${backend.name}: ${exponent(point.error)}`}</title></path>`,
  );
  return markup`<g class="${colour(series)}"><path class="join" stroke-dasharray="${dash(series)}" d="${path.join('')}"/>${marks}</g>`;
}

/** Rings and a name where the error jumps first. */
function jumpMarks(results: readonly LayeredResult[], { rows, top, x, y }: Scale): Markup[] {
  const jumping = rows.flatMap((row, index) => (row.jumpsOn.length === 0 ? [] : [{ row, index }]));
  return jumping.map(({ row, index }, nth) => {
    const at = x(index);
    const rings = results.map(({ backend }, series) => {
      const error = row.cells[series]?.relativeError;
      if (error === undefined || !row.jumpsOn.includes(backend.name)) return null;
      return markup`<circle class="ring" cx="${px(at)}" cy="${px(y(error))}" r="8"/>`;
    });
    const where = results.length > 1 ? ` on ${row.jumpsOn.join(', ')}` : '';
    const name = top - 8 - LANE * (jumping.length - 1 - nth);
    const anchor = at > WIDTH / 2 ? 'end' : 'start';
    return markup`<path class="at" d="M${px(at)} ${name + 4}V${FLOOR}"/>${rings}<text class="warn" x="${px(at)}" y="${name}" text-anchor="${anchor}">first jump${where}: ${row.layer}</text>`;
  });
}
