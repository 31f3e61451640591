import { type Markup, markup } from './html-text.js';

/** Colours repeat after this many backends; markers and dashes then still differ. */
const COLOURS = 5;
const DASHES = ['none', '6 3', '2 3', '9 3 2 3', '12 4'];

export function colour(series: number): string {
  return `s${series % COLOURS}`;
}

export function dash(series: number): string {
  return DASHES[series % DASHES.length] as string;
}

/** A coordinate with as many digits as the eye can use. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** The outline of a series' marker: circle, square, triangle, diamond, cross. */
export function marker(series: number, x: number, y: number, r = 3.6): string {
  const [left, right, top, bottom] = [px(x - r), px(x + r), px(y - r), px(y + r)];
  const shapes = [
    `M${left} ${px(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    `M${left} ${top}H${right}V${bottom}H${left}z`,
    `M${px(x)} ${top}L${right} ${bottom}H${left}z`,
    `M${px(x)} ${px(y - 1.3 * r)}L${px(x + 1.3 * r)} ${px(y)}L${px(x)} ${px(y + 1.3 * r)}L${px(x - 1.3 * r)} ${px(y)}z`,
    `M${left} ${top}L${right} ${bottom}M${left} ${bottom}L${right} ${top}`,
  ];
  return shapes[series % shapes.length] as string;
}

/** What marks which backend, as words beside a piece of its line. */
export function legend(names: readonly string[], extra: readonly Markup[] = []): Markup {
  const items = names.map(
    (
      name,
      series,
    ) => markup`<li class="${colour(series)}"><svg viewBox="0 0 38 14" aria-hidden="true">
<path class="join" stroke-dasharray="${dash(series)}" d="M0 7H38"/><path class="mark-fill" d="${marker(series, 19, 7)}"/></svg><span>${name}</span></li>`,
  );
  return markup`<ul class="legend">${items}${extra.map((each) => markup`<li>${each}</li>`)}</ul>`;
}
