import type { Budget } from '../budget.ts';
import type { Expr, Node, Other, Position } from './ir.ts';
import type { SyntaxNode } from './syntax.ts';

/** Thrown where a tree is deeper than what walks it can go. */
export class TooDeep extends Error {}

/** Lines of a text, found by offset. */
export class Lines {
  readonly #starts: number[] = [0];
  #last = 0;
  readonly text: string;

  constructor(text: string) {
    this.text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  get count(): number {
    return this.#starts.length;
  }

  /** Line that an offset is on, from 1. Quick for offsets near the last that was asked for. */
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

  /** A line's text, without its end. */
  textOf(line: number): string {
    const start = this.#starts[line - 1];
    if (start === undefined) return '';
    const end = this.#starts[line] ?? this.text.length + 1;
    return this.text.slice(start, this.text[end - 2] === '\r' && end - 2 >= start ? end - 2 : end - 1);
  }
}

/** Steps that making one node is worth. */
const LOWERING = 20;

/** What the two frontends share: positions, text, and nodes made of syntax nodes. */
export abstract class Lowering {
  readonly lines: Lines;
  readonly #budget: Budget;

  constructor(lines: Lines, budget: Budget) {
    this.lines = lines;
    this.#budget = budget;
  }

  protected abstract expr(node: SyntaxNode): Expr;

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

/** The children that mean something: neither punctuation nor comments. */
export function named(node: SyntaxNode): SyntaxNode[] {
  return node.children.length === 0 ? [] : node.children.filter((child) => child.named && !isComment(child));
}

export function field(node: SyntaxNode, name: string): SyntaxNode | undefined {
  return node.children.find((child) => child.field === name && !isComment(child));
}

export function fields(node: SyntaxNode, name: string): SyntaxNode[] {
  return node.children.filter((child) => child.field === name && !isComment(child));
}

export function ofType(node: SyntaxNode, ...types: readonly string[]): SyntaxNode | undefined {
  return node.children.find(({ type }) => types.includes(type));
}

/** Comments of a whole tree, wherever they stand. */
export function comments(root: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.type === 'comment') found.push(node);
    for (const child of node.children) stack.push(child);
  }
  return found.sort((a, b) => a.start - b.start);
}
