import type { Budget } from '../budget.ts';

// The intermediate representation: one tree for Python and TypeScript, as far as the rules need it. The frontends (`python.ts`,
// `typescript.ts`) lower their syntax trees to it, so that each rule is written once. Syntax without a meaning at run time
// (parentheses, type assertions) is left out. The tree is immutable, except that `SourceModule` sets `parent` once.

/** Position of a node or comment. */
export interface Position {
  /** Offsets into the text, in UTF-16 code units; `end` is exclusive. Lines count from 1; `endLine` is inclusive. */
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly endLine: number;
}

interface Base<K extends string> extends Position {
  readonly kind: K;
  /** null for the module, and until `SourceModule` indexes the tree. */
  parent: Node | null;
  /** Budget of the review to which the node belongs. Every walk of the tree charges it. */
  readonly budget: Budget;
}

export interface Name extends Base<'name'> {
  readonly name: string;
}
/** `object.name`, or `object?.name` (optional). */
export interface Attribute extends Base<'attribute'> {
  readonly object: Expr;
  readonly name: string;
  readonly optional: boolean;
}
/** `object[index]`. */
export interface Index extends Base<'index'> {
  readonly object: Expr;
  readonly index: Expr;
  readonly optional: boolean;
}
/** Python's `object[from:to]`. TypeScript's `.slice()` is a call. */
export interface Slice extends Base<'slice'> {
  readonly object: Expr;
  readonly from: Expr | null;
  readonly to: Expr | null;
}
/** A keyword argument, which only Python has. */
export interface Keyword {
  readonly name: string;
  readonly value: Expr;
}
export interface Call extends Base<'call'> {
  /** Whether the callee is the tag of a template, which receives fixed parts and values separately. */
  readonly isTag?: boolean;
  readonly callee: Expr;
  readonly args: readonly Expr[];
  readonly keywords: readonly Keyword[];
  /** `new callee(…)`. */
  readonly isNew: boolean;
}
/** An arithmetic or bitwise operation, or a concatenation. */
export interface Binary extends Base<'binary'> {
  readonly op: string;
  readonly left: Expr;
  readonly right: Expr;
}
/** A comparison of two operands. `op` is one of == != < <= > >= === !== in, not in, is, is not, instanceof. */
export interface Compare extends Base<'compare'> {
  readonly op: string;
  readonly left: Expr;
  readonly right: Expr;
}
export interface Logic extends Base<'logic'> {
  readonly op: 'and' | 'or' | '??';
  readonly left: Expr;
  readonly right: Expr;
}
export interface Not extends Base<'not'> {
  readonly operand: Expr;
}
export interface Text extends Base<'text'> {
  /** The fixed characters, with a NUL in place of each part. */
  readonly value: string;
  /** Interpolated expressions of an f-string or template. */
  readonly parts: readonly Expr[];
}
export interface Num extends Base<'num'> {
  readonly value: number;
}
export interface Constant extends Base<'constant'> {
  readonly value: 'none' | 'true' | 'false';
}
export interface Collection extends Base<'collection'> {
  readonly form: 'list' | 'tuple' | 'set';
  readonly items: readonly Expr[];
}
/** A dictionary or object literal, or an object pattern. A null key is a spread. */
export interface Dict extends Base<'dict'> {
  readonly entries: readonly { readonly key: Expr | null; readonly value: Expr }[];
}
/** A parameter. A destructured one counts as one for each name that it binds. */
export interface Param {
  readonly name: string;
  /** Text of the type annotation; null: there is none. */
  readonly type: string | null;
  readonly hasDefault: boolean;
}
/** A function, method, lambda or arrow function. */
export interface Func extends Base<'function'> {
  readonly name: string | null;
  readonly params: readonly Param[];
  readonly defaults: readonly Expr[];
  readonly body: readonly Stmt[];
  readonly decorators: readonly Expr[];
  readonly exported: boolean;
  /** Whether the body is a single expression (arrow function, lambda), which is lowered to a `return`. */
  readonly concise: boolean;
}
/** `for target in iter if conditions` of a comprehension. */
export interface Clause {
  readonly target: Expr;
  readonly iter: Expr;
  readonly conditions: readonly Expr[];
}
export interface Comprehension extends Base<'comprehension'> {
  readonly form: 'list' | 'set' | 'dict' | 'generator';
  readonly elements: readonly Expr[];
  readonly clauses: readonly Clause[];
}
export interface Ternary extends Base<'ternary'> {
  readonly test: Expr;
  readonly consequent: Expr;
  readonly otherwise: Expr;
}
/** await, yield, spread, unary operators, and expressions that no rule examines. */
export interface Other extends Base<'other'> {
  readonly form: string;
  readonly items: readonly Node[];
}

/** Every expression. Python allows assignments, TypeScript also classes and functions, as expressions. */
export type Expr =
  | Name
  | Attribute
  | Index
  | Slice
  | Call
  | Binary
  | Compare
  | Logic
  | Not
  | Text
  | Num
  | Constant
  | Collection
  | Dict
  | Func
  | Comprehension
  | Ternary
  | Assign
  | ClassDef
  | Other;

export interface ExprStmt extends Base<'expression'> {
  readonly expr: Expr;
}
/** An assignment or declaration. `a = b = 1` is one assignment to two targets. */
export interface Assign extends Base<'assign'> {
  readonly targets: readonly Expr[];
  readonly value: Expr | null;
  /** `=`, or an augmented operator such as `+=`. */
  readonly op: string;
  /** Keyword of the declaration, or `field` of a class; null: the target exists already, or the language is Python. */
  readonly declared: 'const' | 'let' | 'var' | 'field' | null;
  readonly exported: boolean;
}
export interface Return extends Base<'return'> {
  readonly value: Expr | null;
}
/** `raise` or `throw`. */
export interface Raise extends Base<'raise'> {
  readonly value: Expr | null;
}
export interface Jump extends Base<'jump'> {
  readonly form: 'break' | 'continue';
}
export interface If extends Base<'if'> {
  readonly test: Expr;
  readonly consequent: readonly Stmt[];
  /** null: there is no `else`. An `elif` is an `if` as the only statement in here. */
  readonly otherwise: readonly Stmt[] | null;
}
/** A loop. `each` iterates over a value, `for` has the three parts of C. */
export interface Loop extends Base<'loop'> {
  readonly form: 'each' | 'while' | 'for';
  readonly target: Expr | null;
  /** The value over which an `each` loop iterates. */
  readonly iter: Expr | null;
  readonly test: Expr | null;
  /** Initializer and increment of a `for` loop. */
  readonly head: readonly Node[];
  readonly body: readonly Stmt[];
  readonly otherwise: readonly Stmt[] | null;
}
export interface Handler extends Base<'handler'> {
  /** The type that it catches; null: every exception. */
  readonly type: Expr | null;
  readonly name: string | null;
  readonly body: readonly Stmt[];
}
export interface Try extends Base<'try'> {
  readonly body: readonly Stmt[];
  readonly handlers: readonly Handler[];
  readonly otherwise: readonly Stmt[] | null;
  readonly finalizer: readonly Stmt[] | null;
}
/** Python's `with`. */
export interface With extends Base<'with'> {
  readonly items: readonly { readonly value: Expr; readonly target: Expr | null }[];
  readonly body: readonly Stmt[];
}
export interface ClassDef extends Base<'class'> {
  readonly name: string | null;
  readonly bases: readonly Expr[];
  readonly body: readonly Stmt[];
  readonly decorators: readonly Expr[];
  readonly exported: boolean;
}
/** One import statement. */
export interface Import extends Base<'import'> {
  readonly module: string;
  /** `local` is the name in this file; `imported` is null for the module itself. */
  readonly names: readonly { readonly local: string; readonly imported: string | null; readonly position: Position }[];
}
export interface Case {
  /** Empty for the default case. */
  readonly tests: readonly Expr[];
  readonly body: readonly Stmt[];
}
export interface Switch extends Base<'switch'> {
  readonly subject: Expr;
  readonly cases: readonly Case[];
}
export interface Delete extends Base<'delete'> {
  readonly targets: readonly Expr[];
}
export interface Assert extends Base<'assert'> {
  readonly test: Expr;
}
/** `global` or `nonlocal`. */
export interface Global extends Base<'global'> {
  readonly names: readonly string[];
}
/** pass, bare blocks, labels, `export { … }`, and statements that no rule examines. */
export interface Plain extends Base<'plain'> {
  readonly form: string;
  readonly items: readonly Node[];
}

export type Stmt =
  | ExprStmt
  | Assign
  | Return
  | Raise
  | Jump
  | If
  | Loop
  | Try
  | With
  | ClassDef
  | Func
  | Import
  | Switch
  | Delete
  | Assert
  | Global
  | Plain;

export type Node = Expr | Stmt | Handler;
export type Kind = Node['kind'];
export type NodeOf<K extends Kind> = Extract<Node, { kind: K }>;

/** A comment, with its marks. */
export interface Comment extends Position {
  readonly text: string;
}

/** A file as its frontend lowers it. */
export interface Lowered {
  readonly body: readonly Stmt[];
  readonly comments: readonly Comment[];
}

const NONE: readonly Node[] = [];

/** The direct children of a node, in the order of the source. Charges the budget. @throws OutOfSteps */
export function children(node: Node): readonly Node[] {
  const found = partsOf(node);
  node.budget.spend(3 + 2 * found.length);
  return found;
}

function partsOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'name':
    case 'num':
    case 'constant':
    case 'import':
    case 'global':
    case 'jump':
      return NONE;
    case 'attribute':
      return [node.object];
    case 'index':
      return [node.object, node.index];
    case 'slice':
      return present(node.object, node.from, node.to);
    case 'call':
      return node.keywords.length === 0
        ? [node.callee, ...node.args]
        : [node.callee, ...node.args, ...node.keywords.map(({ value }) => value)];
    case 'binary':
    case 'compare':
    case 'logic':
      return [node.left, node.right];
    case 'not':
      return [node.operand];
    case 'text':
      return node.parts;
    case 'collection':
    case 'other':
    case 'plain':
      return node.items;
    case 'dict':
      return node.entries.flatMap(({ key, value }) => (key ? [key, value] : [value]));
    case 'function':
      return [...node.decorators, ...node.defaults, ...node.body];
    case 'comprehension':
      return [...node.clauses.flatMap(({ target, iter, conditions }) => [iter, target, ...conditions]), ...node.elements];
    case 'ternary':
      return [node.test, node.consequent, node.otherwise];
    case 'expression':
      return [node.expr];
    case 'assign':
      return node.value ? [...node.targets, node.value] : node.targets;
    case 'return':
    case 'raise':
      return present(node.value);
    case 'if':
      return [node.test, ...node.consequent, ...(node.otherwise ?? NONE)];
    case 'loop':
      return [...present(node.iter, node.target, node.test), ...node.head, ...node.body, ...(node.otherwise ?? NONE)];
    case 'handler':
      return [...present(node.type), ...node.body];
    case 'try':
      return [...node.body, ...node.handlers, ...(node.otherwise ?? NONE), ...(node.finalizer ?? NONE)];
    case 'with':
      return [...node.items.flatMap(({ value, target }) => present(value, target)), ...node.body];
    case 'class':
      return [...node.decorators, ...node.bases, ...node.body];
    case 'switch':
      return [node.subject, ...node.cases.flatMap(({ tests, body }) => [...tests, ...body])];
    case 'delete':
      return node.targets;
    case 'assert':
      return [node.test];
  }
}

function present(...nodes: readonly (Node | null)[]): Node[] {
  return nodes.filter((node) => node !== null);
}
