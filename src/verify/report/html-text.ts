import { escapeMarkup } from './escape.js';

/** A piece of HTML, as opposed to text that is still to be escaped. */
export class Markup {
  constructor(readonly source: string) {}
}

type Part = string | number | Markup | null | false | readonly Part[];

/**
 * Writes HTML or SVG: what stands between the braces is escaped unless it is `Markup` itself; null and
 * false give nothing, lists are joined.
 */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const written = parts.map(write);
  return new Markup(strings.map((string, i) => string + (written[i] ?? '')).join(''));
}

function write(part: Part): string {
  if (part === null || part === false) return '';
  if (part instanceof Markup) return part.source;
  if (typeof part === 'object') return part.map(write).join('');
  return escapeMarkup(String(part));
}
