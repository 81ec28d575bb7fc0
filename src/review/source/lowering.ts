import type { Budget } from '../budget.ts';
import type { Expr, Node, Other, Position } from './ir.ts';
import type { SyntaxNode } from './syntax.ts';

/** Thrown for a tree that is too deep for the recursive walks over it. */
export class TooDeep extends Error {}

/** The lines of a text, by offset and by number. */
export class Lines {
  readonly #starts: number[] = [0];
  #last = 0;
  readonly text: string;

  constructor(text: string) {
    this.text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  /** Number of lines. A final newline begins another, empty line. */
  get count(): number {
    return this.#starts.length;
  }

  /** The line of an offset, from 1. Fast for offsets near the previous one, binary search otherwise. */
  of(offset: number): number {
    const last = this.#last;
    if (this.#isOn(last, offset)) return last + 1;
    if (this.#isOn(last + 1, offset)) {
      this.#last = last + 1;
      return last + 2;
    }
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    this.#last = low;
    return low + 1;
  }

  #isOn(index: number, offset: number): boolean {
    return offset >= (this.#starts[index] ?? Number.POSITIVE_INFINITY) && offset < (this.#starts[index + 1] ?? Number.POSITIVE_INFINITY);
  }

  /** The text of a line without its line end; empty for a line that does not exist. */
  textOf(line: number): string {
    const start = this.#starts[line - 1];
    if (start === undefined) return '';
    const end = this.#starts[line] ?? this.text.length + 1;
    return this.text.slice(start, this.text[end - 2] === '\r' && end - 2 >= start ? end - 2 : end - 1);
  }
}

/** Steps charged for creating a node. */
const LOWERING = 20;

/** The part that both frontends share: positions, text, and generic nodes. */
export abstract class Lowering {
  readonly lines: Lines;
  readonly #budget: Budget;

  constructor(lines: Lines, budget: Budget) {
    this.lines = lines;
    this.#budget = budget;
  }

  /** Lowers an expression. Syntax without a counterpart becomes {@link Other}. @throws OutOfSteps */
  protected abstract expr(node: SyntaxNode): Expr;

  /** The source text of a node. */
  text(node: SyntaxNode): string {
    return this.lines.text.slice(node.start, node.end);
  }

  /** The fields that every node has. @throws OutOfSteps */
  base<K extends string>(kind: K, node: SyntaxNode): Position & { kind: K; parent: null; budget: Budget } {
    this.#budget.spend(LOWERING);
    const { start, end } = node;
    const line = this.lines.of(start);
    return { kind, start, end, line, endLine: this.lines.of(end > start ? end - 1 : end), parent: null, budget: this.#budget };
  }

  /** A generic node with lowered children. */
  protected other(node: SyntaxNode, form = node.type): Other {
    const items: Node[] = named(node).map((child) => this.expr(child));
    return { ...this.base('other', node), form, items };
  }

  protected optional(node: SyntaxNode | undefined): Expr | null {
    return node ? this.expr(node) : null;
  }

  protected exprs(nodes: readonly SyntaxNode[]): Expr[] {
    return nodes.map((node) => this.expr(node));
  }
}

function isComment({ type }: SyntaxNode): boolean {
  return type === 'comment' || type === 'line_continuation' || type === 'html_comment';
}

/** The children of a node without punctuation and comments. */
export function named(node: SyntaxNode): SyntaxNode[] {
  return node.children.length === 0 ? [] : node.children.filter((child) => child.named && !isComment(child));
}

/** The first child in a field of the grammar rule; undefined: the field is empty. */
export function field(node: SyntaxNode, name: string): SyntaxNode | undefined {
  return node.children.find((child) => child.field === name && !isComment(child));
}

/** All children in a field of the grammar rule. */
export function fields(node: SyntaxNode, name: string): SyntaxNode[] {
  return node.children.filter((child) => child.field === name && !isComment(child));
}

/** The first child of one of the types. */
export function ofType(node: SyntaxNode, ...types: readonly string[]): SyntaxNode | undefined {
  return node.children.find(({ type }) => types.includes(type));
}

/** All comments of a tree, in the order of the text. */
export function comments(root: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.type === 'comment') found.push(node);
    for (const child of node.children) stack.push(child);
  }
  return found.sort((a, b) => a.start - b.start);
}
