import { createRequire } from 'node:module';
import { Language, Parser, type Tree } from 'web-tree-sitter';
import type { Budget } from '../budget.ts';

export type LanguageName = 'python' | 'typescript' | 'tsx';

/** A node of the concrete syntax tree. Offsets are in UTF-16 code units of the text. */
export interface SyntaxNode {
  readonly type: string;
  /** Of the parent's grammar rule, as the grammar names it. */
  readonly field: string | null;
  readonly named: boolean;
  readonly start: number;
  readonly end: number;
  /** Without punctuation and keywords that have no field. */
  readonly children: readonly SyntaxNode[];
}

/** Offsets of a definition that is not of the language in some place; it is in the tree without what it consists of. */
export interface Broken {
  readonly start: number;
  readonly end: number;
  readonly at: number;
}

/** What became of a parse. `unreadable`: offset of the first thing of a text that is not of the language. */
export type Parsed =
  | { readonly root: SyntaxNode; readonly broken: readonly Broken[] }
  | { readonly unreadable: number }
  | { readonly stopped: Stopped };

export type Stopped = 'depth' | 'size' | 'name';

const GRAMMARS: Readonly<Record<LanguageName, string>> = {
  python: 'tree-sitter-python/tree-sitter-python.wasm',
  typescript: 'tree-sitter-typescript/tree-sitter-typescript.wasm',
  tsx: 'tree-sitter-typescript/tree-sitter-tsx.wasm',
};

/** No file that people write comes near; what follows walks the tree recursively. */
const MAX_DEPTH = 400;
/** Ten thousand lines that people write have half of them. */
const MAX_NODES = 150_000;
/** Rules look at names with patterns, whose time grows with the square of a name in the worst case. */
const MAX_NAME = 500;
/** A text of which more than this part is not of the language is another language's. */
const MAX_BROKEN = 0.25;
/** Steps that a hundred operations of the parser are worth: it says after so many that it goes on. */
const PARSING = 400;
/** Steps that a node is worth which is copied out of the parser's memory. */
const COPYING = 5;

/** `in` and `out` before type parameters, which the grammar does not know and which say nothing at run time: as many blanks. */
function withoutVariance(name: LanguageName, text: string): string {
  if (name === 'python') return text;
  return text.replace(
    /([<,]\s*(?:const\s+)?)((?:in\s+)?out|in)(?=\s+[A-Za-z_$][\w$]*\s*(?:extends\b|[,>=]))/g,
    (_whole, before, variance) => before + ' '.repeat(variance.length),
  );
}

/** Parses source files. Grammars are loaded when first needed; a parser serves one file at a time. */
export class SyntaxParser {
  readonly #parser: Parser;
  readonly #languages = new Map<LanguageName, Grammar>();

  private constructor(parser: Parser) {
    this.#parser = parser;
  }

  static async create(): Promise<SyntaxParser> {
    await Parser.init();
    return new SyntaxParser(new Parser());
  }

  async load(name: LanguageName): Promise<void> {
    if (this.#languages.has(name)) return;
    const path = createRequire(import.meta.url).resolve(GRAMMARS[name]);
    this.#languages.set(name, new Grammar(await Language.load(path)));
  }

  /** @throws OutOfSteps, Aborted; Error when the language was not loaded */
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

  /** Nothing may be thrown through the parser: it is told to stop, and why is thrown when it did. */
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

  close(): void {
    this.#parser.delete();
  }
}

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

/** A language with its names looked up once: each question to the wasm module costs as much as a node. */
class Grammar {
  readonly language: Language;
  readonly #types: string[] = [];
  readonly #named: boolean[] = [];
  readonly #leaves: boolean[] = [];
  readonly #fields: (string | null)[] = [null];

  constructor(language: Language) {
    this.language = language;
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

  /** Whether such a node has nothing inside that matters. */
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

/** Copies the tree out of the wasm heap, where reading it again and again would be slow; or says what there is too much of. */
function copy(tree: Tree, grammar: Grammar, budget: Budget): Building | Stopped {
  let size = 0;
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
      if (named || field !== null || type === ':') {
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
/** Each node that errors are in is asked for from the wasm heap; a text with more of them is no source. */
const MAX_ERRORS = 5000;

/** Offsets of what the parser put in because it was missing: such nodes are not marked in the copy. null: too much is. */
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

/** Where in what the parser gave up on it does not go on: what stands before that was understood. */
function errorAt(node: Building): number {
  const odd = node.children.find(({ type }) => !/_(statement|declaration|definition)$|^comment$/.test(type));
  if (!odd) return node.start;
  return odd.type === 'ERROR' ? errorAt(odd) : odd.start;
}

/** Empties the definitions (and types) that errors are in (the innermost), so that nothing is said of what was not understood. */
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
