import type { Report } from '../report.ts';

/** The report as JSON, as docs/review/report.schema.json describes it. */
export function json(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
