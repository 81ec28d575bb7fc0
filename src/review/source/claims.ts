import type { Claim, Evidence, Solution } from '../finding.ts';
import { brief } from '../words.ts';
import type { FunctionInfo, SourceModule } from './module.ts';

/** A line that a claim rests on, with what it says there. */
export function at(module: SourceModule, node: { readonly line: number }, fact: string): Evidence {
  return { line: node.line, fact: `${fact}: ${brief(module.lines.textOf(node.line).trim())}` };
}

export function place(
  node: { readonly line: number; readonly endLine: number },
  fn: FunctionInfo | null,
): Pick<Claim, 'line' | 'endLine' | 'symbol'> {
  return { line: node.line, endLine: node.endLine, symbol: fn?.symbol ?? null };
}

export function advice(text: string): Solution {
  return { text, diff: null };
}

/** One line replaced: the change as a unified diff. */
export function replaceLine(module: SourceModule, line: number, change: { text: string; by: string }): Solution {
  const old = module.lines.textOf(line);
  const diff = change.by === old ? null : `@@ -${line} +${line} @@\n-${old}\n+${change.by}`;
  return { text: change.text, diff };
}
