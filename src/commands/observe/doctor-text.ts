import type { Diagnosis } from '../../contract/diagnosis.ts';
import { printable, wrapped } from '../../terminal/lines.ts';
import { paint, type Style } from '../../terminal/table.ts';

const STYLES: Readonly<Record<Diagnosis['result'], Style>> = { ok: 'green', note: 'yellow', problem: 'red' };
const WIDTH = 80;
const INDENT = ' '.repeat(9);

/** Diagnoses for people: the result and the check on a line, the detail below, in lines of at most 80 columns. */
export function doctorText(found: readonly Diagnosis[]): string {
  return found
    .map(({ check, result, detail }) => {
      const [head = '', ...more] = wrapped(printable(check), WIDTH, INDENT);
      const label = paint(STYLES[result], result.padEnd(INDENT.length));
      return [label + head.slice(INDENT.length), ...more, ...wrapped(printable(detail), WIDTH, INDENT)].map((line) => `${line}\n`).join('');
    })
    .join('');
}
