import type { Claim, Evidence, Solution } from '../finding.ts';
import { brief } from '../words.ts';
import type { FunctionInfo, SourceModule } from './module.ts';

/** A line as evidence: the fact, then the text of the line. */
export function at(module: SourceModule, node: { readonly line: number }, fact: string): Evidence {
  return { line: node.line, fact: `${fact}: ${brief(module.lines.textOf(node.line).trim())}` };
}

/**
 * The place of a claim about a node.
 * @param fn the function that the claim names; null: the file
 */
export function place(
  node: { readonly line: number; readonly endLine: number },
  fn: FunctionInfo | null,
): Pick<Claim, 'line' | 'endLine' | 'symbol'> {
  return { line: node.line, endLine: node.endLine, symbol: fn?.symbol ?? null };
}

/** A solution in words, without a diff. */
export function advice(text: string): Solution {
  return { text, diff: null };
}

/** A solution that replaces one line. The diff is null if the replacement equals the line. */
export function replaceLine(module: SourceModule, line: number, change: { text: string; by: string }): Solution {
  const old = module.lines.textOf(line);
  const diff = change.by === old ? null : `@@ -${line} +${line} @@\n-${old}\n+${change.by}`;
  return { text: change.text, diff };
}
