import type { Verification } from '../index.js';
import { formatJSON } from './json.js';
import { formatTable } from './table.js';

export { verdict } from './words.js';

/** How a report may be written, by the names that `--report` takes. */
export const REPORT_FORMATS = ['table', 'json'] as const;

export type ReportFormat = (typeof REPORT_FORMATS)[number];

export interface ReportOptions {
  /** Show every layer, and not only the first that jumps. */
  readonly layers?: boolean;
  /** Things that the user should know, one sentence each. */
  readonly warnings?: readonly string[];
}

/** Writes a verification down, without a newline at the end. */
export function formatReport(
  verification: Verification,
  format: ReportFormat = 'table',
  options: ReportOptions = {},
): string {
  return FORMATS[format](verification, options);
}

const FORMATS: Readonly<
  Record<ReportFormat, (verification: Verification, options: ReportOptions) => string>
> = {
  table: formatTable,
  json: formatJSON,
};
