import type { Report } from '../report.ts';
import { byType } from './by-type.ts';
import { html } from './html.ts';
import { json } from './json.ts';
import { list } from './list.ts';
import { markdown } from './markdown.ts';
import { sarif } from './sarif.ts';

/** Report formats by the name that `--format` takes. Each turns a report into text that ends with a newline. */
export const REPORTERS = {
  'by-type': byType,
  list,
  json,
  sarif,
  markdown,
  html,
} as const satisfies Readonly<Record<string, (report: Report, tool: { readonly version: string }) => string>>;

/** Name of a report format. */
export type Format = keyof typeof REPORTERS;
