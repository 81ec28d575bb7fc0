import { createRequire } from 'node:module';
import { Language, Parser, type Tree } from 'web-tree-sitter';
import type { Budget } from '../budget.ts';

/** Languages with a grammar. */
export type LanguageName = 'python' | 'typescript' | 'tsx';

/** A node of the concrete syntax tree. Offsets are in UTF-16 code units of the text. */
export interface SyntaxNode {
  readonly type: string;
  /** Field in the grammar rule of the parent; null: none. */
  readonly field: string | null;
  /** Whether the grammar names it; punctuation and keywords are anonymous. */
  readonly named: boolean;
  readonly start: number;
  readonly end: number;
  /** Without anonymous nodes that have no field, except colons. */
  readonly children: readonly SyntaxNode[];
}

/** Offsets of a definition that contains a syntax error (at `at`). It stays in the tree as an empty node. */
export interface Broken {
  readonly start: number;
  readonly end: number;
  readonly at: number;
}

/**
 * The result of parsing. `unreadable`: offset of the first syntax error of a text that is not of the language. `stopped`: the
 * bound that the text exceeds.
 */
export type Parsed =
  | { readonly root: SyntaxNode; readonly broken: readonly Broken[] }
  | { readonly unreadable: number }
  | { readonly stopped: Stopped };

/** Bounds of a syntax tree: nesting, number of nodes, length of a name. */
export type Stopped = 'depth' | 'size' | 'name';

const GRAMMARS: Readonly<Record<LanguageName, string>> = {
  python: 'tree-sitter-python/tree-sitter-python.wasm',
  typescript: 'tree-sitter-typescript/tree-sitter-typescript.wasm',
  tsx: 'tree-sitter-typescript/tree-sitter-tsx.wasm',
};

/** The lowering and the rules walk the tree recursively. Real source stays far below. */
const MAX_DEPTH = 400;
/** Ten thousand lines of real source have about half as many. */
const MAX_NODES = 150_000;
/** Rules match names with patterns whose worst case is quadratic in the length. */
const MAX_NAME = 500;
/** A text with a larger share of broken definitions is taken to be of another language. */
const MAX_BROKEN = 0.25;
/** Steps charged for each call of the progress callback, which tree-sitter makes every hundred operations. */
const PARSING = 400;
/** Steps charged for copying a node out of the memory of the parser. */
const COPYING = 5;

/** Replaces `in` and `out` before type parameters by blanks, because the grammar does not know them. Offsets stay the same. */
function withoutVariance(name: LanguageName, text: string): string {
  if (name === 'python') return text;
  return text.replace(
    /([<,]\s*(?:const\s+)?)((?:in\s+)?out|in)(?=\s+[A-Za-z_$][\w$]*\s*(?:extends\b|[,>=]))/g,
    (_whole, before, variance) => before + ' '.repeat(variance.length),
  );
}

/** Parses source files with tree-sitter (WebAssembly). It parses one file at a time. */
export class SyntaxParser {
  readonly #parser: Parser;
  readonly #languages = new Map<LanguageName, Grammar>();

  private constructor(parser: Parser) {
    this.#parser = parser;
  }

  /** Starts the WebAssembly runtime, once for the process. */
  static async create(): Promise<SyntaxParser> {
    await Parser.init();
    return new SyntaxParser(new Parser());
  }

  /** Loads the grammar of a language, unless it is loaded. Grammars come from the installed packages. */
  async load(name: LanguageName): Promise<void> {
    if (this.#languages.has(name)) return;
    const path = createRequire(import.meta.url).resolve(GRAMMARS[name]);
    this.#languages.set(name, new Grammar(await Language.load(path), name === 'python'));
  }

  /**
   * Parses a text. Definitions with syntax errors are cut; the rest of the tree is intact.
   * @throws OutOfSteps, Aborted; Error if the language was not loaded
   */
  parse(name: LanguageName, text: string, budget: Budget): Parsed {
    const grammar = this.#languages.get(name);
    if (!grammar) throw new Error(`${name} was not loaded`);
    this.#parser.setLanguage(grammar.language);
    const first = this.#parsed(grammar, text, budget);
    const blanked = 'broken' in first && first.broken.length === 0 ? text : withoutVariance(name, text);
    return blanked === text ? first : this.#parsed(grammar, blanked, budget);
  }

  #parsed(grammar: Grammar, text: string, budget: Budget): Parsed {
    const tree = this.#tree(text, budget);
    try {
      const root = copy(tree, grammar, budget);
      if (typeof root === 'string') return { stopped: root };
      const missing = tree.rootNode.hasError ? missingIn(tree, budget) : NOTHING;
      if (missing === null) return { unreadable: errorAt(root) };
      const broken = tree.rootNode.hasError ? cutErrors(root, missing) : [];
      const length = broken.reduce((sum, { start, end }) => sum + end - start, 0);
      const [first] = broken;
      return first && (length > text.length * MAX_BROKEN || root.type === 'ERROR') ? { unreadable: first.at } : { root, broken };
    } finally {
      tree.delete();
    }
  }

  /**
   * Runs the parser. An exception must not cross the WebAssembly frames: the callback asks the parser to stop, and the exception
   * follows afterwards.
   */
  #tree(text: string, budget: Budget): Tree {
    let stop: unknown = null;
    const progressCallback = () => {
      try {
        budget.spend(PARSING);
      } catch (error) {
        stop = error;
      }
      return stop !== null;
    };
    const tree = this.#parser.parse(text, null, { progressCallback });
    if (tree) return tree;
    this.#parser.reset();
    throw stop;
  }

  /** Frees the memory of the parser. */
  close(): void {
    this.#parser.delete();
  }
}

/** Nodes whose children no frontend reads. */
const LEAVES = new Set([
  'identifier',
  'property_identifier',
  'private_property_identifier',
  'shorthand_property_identifier',
  'type_identifier',
  'integer',
  'float',
  'number',
  'string_start',
  'string_content',
  'string_end',
  'string_fragment',
  'comment',
  'none',
  'true',
  'false',
  'this',
]);

/** A language with its names cached: a query to the WebAssembly module costs as much as a node. */
class Grammar {
  readonly language: Language;
  /** Whether it takes all of the language: then whatever it does not take is an error. */
  readonly isExact: boolean;
  readonly #types: string[] = [];
  readonly #named: boolean[] = [];
  readonly #leaves: boolean[] = [];
  readonly #fields: (string | null)[] = [null];

  constructor(language: Language, isExact: boolean) {
    this.language = language;
    this.isExact = isExact;
    for (let id = 1; id <= language.fieldCount; id++) this.#fields.push(language.fieldNameForId(id));
  }

  type(id: number): string {
    this.#types[id] ??= this.language.nodeTypeForId(id) ?? 'ERROR';
    return this.#types[id];
  }

  isNamed(id: number): boolean {
    this.#named[id] ??= this.language.nodeTypeIsNamed(id) || this.type(id) === 'ERROR';
    return this.#named[id];
  }

  /** Whether the children of such a node are ignored. */
  isLeaf(id: number): boolean {
    this.#leaves[id] ??= LEAVES.has(this.type(id));
    return this.#leaves[id];
  }

  field(id: number): string | null {
    return this.#fields[id] ?? null;
  }
}

type Building = { -readonly [K in keyof SyntaxNode]: K extends 'children' ? Building[] : SyntaxNode[K] };

const NO_CHILDREN: Building[] = [];

/**
 * Copies the tree out of the WebAssembly heap, where repeated reads are slow, or returns the bound that it exceeds. Iterative. Tokens that
 * the parser of Python inserted are copied too: they are empty, and only a tree with errors has them. That of TypeScript inserts some where
 * valid source is newer than its grammar.
 */
function copy(tree: Tree, grammar: Grammar, budget: Budget): Building | Stopped {
  let size = 0;
  const mayBeInserted = grammar.isExact && tree.rootNode.hasError;
  const cursor = tree.walk();
  const path: Building[][] = [];
  let siblings: Building[] = [];
  const top = siblings;
  try {
    for (;;) {
      budget.spend(COPYING);
      const field = grammar.field(cursor.currentFieldId);
      const id = cursor.nodeTypeId;
      const named = grammar.isNamed(id);
      const type = grammar.type(id);
      const isInserted = mayBeInserted && cursor.startIndex === cursor.endIndex;
      if (named || field !== null || type === ':' || isInserted) {
        const node: Building = { type, field, named, start: cursor.startIndex, end: cursor.endIndex, children: NO_CHILDREN };
        siblings.push(node);
        if (++size > MAX_NODES) return 'size';
        if (node.end - node.start > MAX_NAME && type.endsWith('identifier')) return 'name';
        if (!grammar.isLeaf(id) && cursor.gotoFirstChild()) {
          if (path.length > MAX_DEPTH) return 'depth';
          path.push(siblings);
          node.children = [];
          siblings = node.children;
          continue;
        }
      }
      while (!cursor.gotoNextSibling()) {
        if (!cursor.gotoParent()) return top[0] as Building;
        siblings = path.pop() as Building[];
      }
    }
  } finally {
    cursor.delete();
  }
}

/** Nodes that are cut if they contain a syntax error. */
const DEFINITIONS = new Set([
  'function_definition',
  'decorated_definition',
  'method_definition',
  'function_declaration',
  'public_field_definition',
  'arrow_function',
  'object_type',
  'interface_body',
  'type_alias_declaration',
]);

const NOTHING: ReadonlySet<number> = new Set();
/** Bound on nodes that are inspected in the WebAssembly heap. A text with more errors is no source. */
const MAX_ERRORS = 5000;

/**
 * Offsets of tokens that the parser inserted because they were missing; the copy does not mark them. null: there are too many
 * errors.
 */
function missingIn(tree: Tree, budget: Budget): ReadonlySet<number> | null {
  const found = new Set<number>();
  const stack = [tree.rootNode];
  let visited = 0;
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (++visited > MAX_ERRORS) return null;
    if (node.isMissing) found.add(node.startIndex);
    if (!node.hasError) continue;
    budget.spend(COPYING * node.childCount);
    for (const child of node.children) if (child) stack.push(child);
  }
  return found;
}

/** Offset at which the parser gave up: the complete statements before it were understood. */
function errorAt(node: Building): number {
  const odd = node.children.find(({ type }) => !/_(statement|declaration|definition)$|^comment$/.test(type));
  if (!odd) return node.start;
  return odd.type === 'ERROR' ? errorAt(odd) : odd.start;
}

/** Empties the innermost definition around each syntax error, so that no rule reports on code that was not understood. */
function cutErrors(root: Building, missing: ReadonlySet<number>): Broken[] {
  const found: Broken[] = [];
  const visit = (node: Building, around: Building): number | null => {
    const inner = DEFINITIONS.has(node.type) ? node : around;
    let at = node.type === 'ERROR' ? errorAt(node) : node.start === node.end && missing.has(node.start) ? node.start : null;
    for (const child of node.children) at ??= visit(child, inner);
    if (at === null || (inner !== node && node.type !== 'module' && node.type !== 'program')) return at;
    found.push({ start: node.start, end: node.end, at });
    node.type = 'broken';
    node.children = [];
    return null;
  };
  const at = visit(root, root);
  if (at !== null) found.push({ start: root.start, end: root.end, at });
  return found;
}
