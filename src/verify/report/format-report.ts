import { withPrintableText } from '../../base/printable.js';
import type { Verification } from '../verification.js';
import { formatHTML } from './html.js';
import { formatJSON } from './json.js';
import { formatJUnit } from './junit.js';
import { formatMarkdown } from './markdown.js';
import { formatTable } from './table.js';
import type { Wording } from './words.js';

export type { JSONReport } from './json.js';
export { verdict } from './words.js';

/** How a report may be written, by the names that `--report` takes. */
export const REPORT_FORMATS = ['table', 'json', 'junit', 'markdown', 'html'] as const;

export type ReportFormat = (typeof REPORT_FORMATS)[number];

export interface ReportOptions {
  /** Show every layer, and not only the first that jumps. */
  readonly layers?: boolean;
  /** Things that the user should know, one sentence each. */
  readonly warnings?: readonly string[];
  /** How options are shown in what the report itself adds, such as the tolerance that would pass. */
  readonly word?: Wording;
}

type Formatter = (verification: Verification, options: ReportOptions) => string;

const FORMATTERS: Readonly<Record<ReportFormat, Formatter>> = {
  table: formatTable,
  json: formatJSON,
  junit: formatJUnit,
  markdown: formatMarkdown,
  html: formatHTML,
};

/**
 * Writes a verification down, without a newline at the end.
 *
 * `table` is for a terminal, `json` a `JSONReport` on one line, `junit` for test dashboards,
 * `markdown` GitHub-flavoured, `html` one page that needs nothing beside it. Names from files are
 * escaped as each format demands; `json` alone keeps their control characters, as JSON escapes.
 */
export function formatReport(
  verification: Verification,
  format: ReportFormat = 'table',
  options: ReportOptions = {},
): string {
  const shown = format === 'json' ? verification : withPrintableText(verification);
  return FORMATTERS[format](shown, options);
}
