import { relative } from 'node:path';
import type { Reporter } from 'vitest/node';
import { covers, PURE } from './pure-code.ts';

interface Lines {
  readonly covered: number;
  readonly total: number;
}

/** What Vitest hands over as coverage: a CoverageMap of istanbul, as far as it is read here. */
interface CoverageMap {
  files(): string[];
  fileCoverageFor(file: string): { toSummary(): { readonly lines: Lines } };
}

/** Prints how many lines the tests ran, by module (folder of src): of its pure code, and of all of it. */
export class CoverageTable implements Reporter {
  readonly #root: string;
  readonly #print: (text: string) => void;

  constructor(root: string, print: (text: string) => void = (text) => void process.stdout.write(text)) {
    this.#root = root;
    this.#print = print;
  }

  onCoverage(coverage: unknown): void {
    const map = coverage as CoverageMap;
    const files = map.files().map((file) => ({ path: relative(this.#root, file), lines: map.fileCoverageFor(file).toSummary().lines }));
    this.#print(coverageTable(files));
  }
}

/** The table as text. `path` is relative to the repository. */
export function coverageTable(files: readonly { readonly path: string; readonly lines: Lines }[]): string {
  const modules = [...new Set(files.map(({ path }) => moduleOf(path)))].sort();
  const rows = modules.map((module) => {
    const all = files.filter(({ path }) => moduleOf(path) === module);
    const pure = all.filter(({ path }) => covers(PURE[module] ?? [], path));
    return [module, ...cells(sum(pure)), ...cells(sum(all))];
  });
  const total = ['all', ...cells(sum(files.filter(({ path }) => covers(PURE[moduleOf(path)] ?? [], path)))), ...cells(sum(files))];
  const head = ['module', 'pure code', 'lines', 'all code', 'lines'];
  const line = ([first = '', ...rest]: readonly string[]) => `  ${first.padEnd(12)}${rest.map((cell) => cell.padStart(11)).join('')}\n`;
  return `\nLines that the unit tier runs, by module\n${[head, ...rows, total].map(line).join('')}\n`;
}

/** The folder below src; `.` for files that stand in src itself. */
function moduleOf(path: string): string {
  const [, folder, ...rest] = path.split('/');
  return folder === undefined || rest.length === 0 ? '.' : folder;
}

function sum(files: readonly { readonly lines: Lines }[]): Lines {
  return files.reduce((total, { lines }) => ({ covered: total.covered + lines.covered, total: total.total + lines.total }), {
    covered: 0,
    total: 0,
  });
}

function cells({ covered, total }: Lines): [string, string] {
  return total === 0 ? ['-', '-'] : [`${((100 * covered) / total).toFixed(1)} %`, `${covered}/${total}`];
}
