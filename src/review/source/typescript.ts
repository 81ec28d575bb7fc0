import type { Budget } from '../budget.ts';
import type { Case, Expr, Func, Handler, Lowered, Node, Param, Stmt, Text } from './ir.ts';
import { comments, field, type Lines, Lowering, named, ofType } from './lowering.ts';
import type { SyntaxNode } from './syntax.ts';

/** Lowers a tree of tree-sitter-typescript or -tsx. Types are left out. @throws TooDeep, OutOfSteps, Aborted */
export function lowerTypescript(root: SyntaxNode, lines: Lines, budget: Budget): Lowered {
  const lowering = new TypescriptLowering(lines, budget);
  return {
    body: lowering.statements(named(root)),
    comments: comments(root).map((node) => ({ ...lowering.base('comment', node), text: lowering.text(node) })),
  };
}

/** Declarations without a meaning at run time. */
const TYPES_ONLY = new Set([
  'interface_declaration',
  'type_alias_declaration',
  'ambient_declaration',
  'function_signature',
  'hash_bang_line',
  'empty_statement',
  'method_signature',
  'abstract_method_signature',
  'index_signature',
]);
const COMPARISONS = new Set(['==', '!=', '===', '!==', '<', '<=', '>', '>=', 'in', 'instanceof']);
const LOGIC: Readonly<Record<string, 'and' | 'or' | '??'>> = { '&&': 'and', '||': 'or', '??': '??' };
const DECLARED = { const: 'const', let: 'let', var: 'var' } as const;

class TypescriptLowering extends Lowering {
  statements(nodes: readonly SyntaxNode[], exported = false): Stmt[] {
    return nodes.flatMap((node) => this.#statement(node, exported));
  }

  /** The statements of a block, or a single statement without braces. */
  #body(node: SyntaxNode | undefined): Stmt[] {
    if (!node) return [];
    return node.type === 'statement_block' ? this.statements(named(node)) : this.#statement(node);
  }

  #statement(node: SyntaxNode, exported = false): Stmt[] {
    if (TYPES_ONLY.has(node.type)) return [];
    switch (node.type) {
      case 'expression_statement': {
        const [inner] = named(node);
        if (!inner) return [];
        if (inner.type === 'assignment_expression' || inner.type === 'augmented_assignment_expression') return [this.#assign(inner)];
        if (inner.type === 'internal_module') return this.#statement(inner);
        return [{ ...this.base('expression', node), expr: this.expr(inner) }];
      }
      case 'lexical_declaration':
      case 'variable_declaration':
        return this.#declaration(node, exported);
      case 'return_statement':
        return [{ ...this.base('return', node), value: this.optional(named(node)[0]) }];
      case 'throw_statement':
        return [{ ...this.base('raise', node), value: this.optional(named(node)[0]) }];
      case 'break_statement':
        return [{ ...this.base('jump', node), form: 'break' }];
      case 'continue_statement':
        return [{ ...this.base('jump', node), form: 'continue' }];
      case 'if_statement':
        return [this.#if(node)];
      case 'for_in_statement':
        return [this.#forIn(node)];
      case 'for_statement':
      case 'while_statement':
      case 'do_statement':
        return [this.#loop(node)];
      case 'try_statement':
        return [this.#try(node)];
      case 'switch_statement':
        return [this.#switch(node)];
      case 'function_declaration':
      case 'generator_function_declaration':
        return [this.#function(node, exported)];
      case 'class_declaration':
      case 'abstract_class_declaration':
        return [this.#class(node, exported)];
      case 'import_statement':
        return this.#import(node);
      case 'export_statement':
        return this.#export(node);
      case 'statement_block':
        return [{ ...this.base('plain', node), form: 'block', items: this.statements(named(node)) }];
      case 'labeled_statement':
        return this.#body(field(node, 'body'));
      case 'enum_declaration':
        return [{ ...this.base('plain', node), form: 'enum', items: [] }];
      default:
        return [{ ...this.base('plain', node), form: node.type, items: this.exprs(named(node)) }];
    }
  }

  #declaration(node: SyntaxNode, exported: boolean): Stmt[] {
    const keyword = field(node, 'kind');
    const declared = keyword ? (DECLARED[this.text(keyword) as keyof typeof DECLARED] ?? 'let') : 'var';
    return node.children
      .filter(({ type }) => type === 'variable_declarator')
      .map((one) => ({
        ...this.base('assign', one),
        targets: [this.expr(field(one, 'name') as SyntaxNode)],
        value: this.optional(field(one, 'value')),
        op: '=',
        declared,
        exported,
      }));
  }

  #assign(node: SyntaxNode): Stmt & Expr {
    const operator = field(node, 'operator');
    return {
      ...this.base('assign', node),
      targets: [this.expr(field(node, 'left') as SyntaxNode)],
      value: this.optional(field(node, 'right')),
      op: operator ? this.text(operator) : '=',
      declared: null,
      exported: false,
    };
  }

  #if(node: SyntaxNode): Stmt {
    const alternative = field(node, 'alternative');
    return {
      ...this.base('if', node),
      test: this.expr(field(node, 'condition') as SyntaxNode),
      consequent: this.#body(field(node, 'consequence')),
      otherwise: alternative ? this.#body(named(alternative)[0]) : null,
    };
  }

  #forIn(node: SyntaxNode): Stmt {
    return {
      ...this.base('loop', node),
      form: 'each',
      target: this.optional(field(node, 'left')),
      iter: this.optional(field(node, 'right')),
      test: null,
      head: [],
      body: this.#body(field(node, 'body')),
      otherwise: null,
    };
  }

  #loop(node: SyntaxNode): Stmt {
    const condition = field(node, 'condition');
    const test =
      condition && condition.type !== 'empty_statement'
        ? condition.type === 'expression_statement'
          ? named(condition)[0]
          : condition
        : undefined;
    const head: Node[] = [];
    const initializer = field(node, 'initializer');
    const increment = field(node, 'increment');
    if (initializer) head.push(...this.#statement(initializer));
    if (increment) head.push(this.expr(increment));
    return {
      ...this.base('loop', node),
      form: node.type === 'for_statement' ? 'for' : 'while',
      target: null,
      iter: null,
      test: this.optional(test),
      head,
      body: this.#body(field(node, 'body')),
      otherwise: null,
    };
  }

  #try(node: SyntaxNode): Stmt {
    const handler = field(node, 'handler');
    const finalizer = field(node, 'finalizer');
    return {
      ...this.base('try', node),
      body: this.#body(field(node, 'body')),
      handlers: handler ? [this.#handler(handler)] : [],
      otherwise: null,
      finalizer: finalizer ? this.#body(field(finalizer, 'body')) : null,
    };
  }

  #handler(node: SyntaxNode): Handler {
    const name = field(node, 'parameter');
    return { ...this.base('handler', node), type: null, name: name ? this.text(name) : null, body: this.#body(field(node, 'body')) };
  }

  #switch(node: SyntaxNode): Stmt {
    const body = field(node, 'body') as SyntaxNode;
    const cases = named(body).map((one): Case => {
      const value = field(one, 'value');
      return { tests: value ? [this.expr(value)] : [], body: this.statements(named(one).filter((child) => child !== value)) };
    });
    return { ...this.base('switch', node), subject: this.expr(field(node, 'value') as SyntaxNode), cases };
  }

  #function(node: SyntaxNode, exported: boolean, decorators: readonly Expr[] = []): Func {
    const parameters = field(node, 'parameters');
    const single = field(node, 'parameter');
    const body = field(node, 'body');
    const concise = body !== undefined && body.type !== 'statement_block';
    const params = parameters ? named(parameters) : single ? [single] : [];
    return {
      ...this.base('function', node),
      name: this.#name(field(node, 'name')),
      params: params.flatMap((one) => this.#param(one)),
      defaults: params.flatMap((one) => this.exprs(one.children.filter((child) => child.field === 'value'))),
      body: concise ? [{ ...this.base('return', body), value: this.expr(body) }] : this.#body(body),
      decorators,
      exported,
      concise,
    };
  }

  #name(node: SyntaxNode | undefined): string | null {
    return node ? this.text(node) : null;
  }

  /** A destructured parameter counts as each of the names that it binds. */
  #param(node: SyntaxNode): Param[] {
    const pattern = field(node, 'pattern') ?? (node.type === 'identifier' ? node : undefined);
    if (!pattern) return [];
    const annotation = field(node, 'type');
    const type = annotation ? this.text(annotation).replace(/^:\s*/, '') : null;
    const hasDefault = field(node, 'value') !== undefined;
    return boundNames(pattern).map((name) => ({ name: this.text(name), type, hasDefault }));
  }

  #class(node: SyntaxNode, exported: boolean): Stmt & Expr {
    const heritage = ofType(node, 'class_heritage');
    const extended = heritage && ofType(heritage, 'extends_clause');
    const body = field(node, 'body');
    return {
      ...this.base('class', node),
      name: this.#name(field(node, 'name')),
      bases: extended ? this.exprs(named(extended).slice(0, 1)) : [],
      body: body ? named(body).flatMap((member) => this.#member(member)) : [],
      decorators: node.children.filter(({ type }) => type === 'decorator').map((one) => this.expr(named(one)[0] as SyntaxNode)),
      exported,
    };
  }

  #member(node: SyntaxNode): Stmt[] {
    if (TYPES_ONLY.has(node.type) || node.type === 'decorator') return [];
    if (node.type === 'method_definition') return [this.#function(node, true)];
    if (node.type === 'class_static_block') return this.#body(field(node, 'body'));
    if (node.type !== 'public_field_definition') return [{ ...this.base('plain', node), form: node.type, items: [] }];
    const name = field(node, 'name') as SyntaxNode;
    const target: Expr = {
      ...this.base('attribute', name),
      object: { ...this.base('name', name), name: 'this' },
      name: this.text(name),
      optional: false,
    };
    return [
      {
        ...this.base('assign', node),
        targets: [target],
        value: this.optional(field(node, 'value')),
        op: '=',
        declared: 'field',
        exported: true,
      },
    ];
  }

  #import(node: SyntaxNode): Stmt[] {
    const source = field(node, 'source');
    const clause = ofType(node, 'import_clause');
    if (!source) return [];
    const names = clause ? named(clause).flatMap((one) => this.#importNames(one)) : [];
    return [{ ...this.base('import', node), module: this.text(source).slice(1, -1), names }];
  }

  #importNames(node: SyntaxNode): { local: string; imported: string | null; position: ReturnType<Lowering['base']> }[] {
    const position = this.base('name', node);
    if (node.type === 'identifier') return [{ local: this.text(node), imported: 'default', position }];
    if (node.type === 'namespace_import') return [{ local: this.text(named(node)[0] as SyntaxNode), imported: null, position }];
    return named(node).map((one) => {
      const imported = this.text(field(one, 'name') as SyntaxNode);
      const alias = field(one, 'alias');
      return { local: alias ? this.text(alias) : imported, imported, position: this.base('name', one) };
    });
  }

  #export(node: SyntaxNode): Stmt[] {
    const declaration = field(node, 'declaration');
    if (declaration) return this.#statement(declaration, true);
    const value = field(node, 'value');
    if (value) return [{ ...this.base('plain', node), form: 'export', items: [this.expr(value)] }];
    if (field(node, 'source')) return [];
    const clause = ofType(node, 'export_clause');
    const names = clause ? named(clause).map((one) => this.expr(field(one, 'name') as SyntaxNode)) : [];
    return [{ ...this.base('plain', node), form: 'export', items: names }];
  }

  protected override expr(node: SyntaxNode): Expr {
    switch (node.type) {
      case 'identifier':
      case 'this':
      case 'super':
      case 'shorthand_property_identifier':
      case 'shorthand_property_identifier_pattern':
      case 'property_identifier':
      case 'private_property_identifier':
        return { ...this.base('name', node), name: this.text(node) };
      case 'undefined':
      case 'null':
        return { ...this.base('constant', node), value: 'none' };
      case 'true':
      case 'false':
        return { ...this.base('constant', node), value: node.type };
      case 'number':
        return { ...this.base('num', node), value: Number(this.text(node).replaceAll('_', '').replace(/n$/, '')) };
      case 'parenthesized_expression':
      case 'non_null_expression':
      case 'as_expression':
      case 'satisfies_expression':
      case 'type_assertion':
      case 'computed_property_name':
        return this.#unwrapped(node);
      case 'member_expression':
        return {
          ...this.base('attribute', node),
          object: this.expr(field(node, 'object') as SyntaxNode),
          name: this.text(field(node, 'property') as SyntaxNode),
          optional: ofType(node, 'optional_chain') !== undefined,
        };
      case 'subscript_expression':
        return {
          ...this.base('index', node),
          object: this.expr(field(node, 'object') as SyntaxNode),
          index: this.expr(field(node, 'index') as SyntaxNode),
          optional: ofType(node, 'optional_chain') !== undefined,
        };
      case 'call_expression':
      case 'new_expression':
        return this.#call(node);
      case 'binary_expression':
        return this.#binary(node);
      case 'unary_expression':
        return this.#unary(node);
      case 'string':
      case 'template_string':
        return this.#string(node);
      case 'array':
      case 'array_pattern':
        return { ...this.base('collection', node), form: 'list', items: this.exprs(named(node)) };
      case 'object':
      case 'object_pattern':
        return { ...this.base('dict', node), entries: named(node).map((one) => this.#entry(one)) };
      case 'arrow_function':
      case 'function_expression':
      case 'generator_function':
      case 'method_definition':
        return this.#function(node, false);
      case 'class':
        return this.#class(node, false);
      case 'ternary_expression':
        return {
          ...this.base('ternary', node),
          test: this.expr(field(node, 'condition') as SyntaxNode),
          consequent: this.expr(field(node, 'consequence') as SyntaxNode),
          otherwise: this.expr(field(node, 'alternative') as SyntaxNode),
        };
      case 'assignment_expression':
      case 'augmented_assignment_expression':
        return this.#assign(node) as Expr;
      default:
        return this.other(node);
    }
  }

  #unwrapped(node: SyntaxNode): Expr {
    const inner = node.type === 'type_assertion' ? named(node).at(-1) : named(node)[0];
    return inner ? this.expr(inner) : this.other(node);
  }

  #call(node: SyntaxNode): Expr {
    const list = field(node, 'arguments');
    const callee = field(node, 'function') ?? field(node, 'constructor');
    const args = list?.type === 'template_string' ? [this.expr(list)] : list ? this.exprs(named(list)) : [];
    return {
      ...this.base('call', node),
      callee: this.expr(callee as SyntaxNode),
      args,
      keywords: [],
      isNew: node.type === 'new_expression',
      isTag: list?.type === 'template_string',
    };
  }

  #binary(node: SyntaxNode): Expr {
    const op = this.text(field(node, 'operator') as SyntaxNode);
    const left = this.expr(field(node, 'left') as SyntaxNode);
    const right = this.expr(field(node, 'right') as SyntaxNode);
    const logic = LOGIC[op];
    if (logic) return { ...this.base('logic', node), op: logic, left, right };
    if (COMPARISONS.has(op)) return { ...this.base('compare', node), op, left, right };
    return { ...this.base('binary', node), op, left, right };
  }

  #unary(node: SyntaxNode): Expr {
    const operand = field(node, 'argument') as SyntaxNode;
    const op = this.text(field(node, 'operator') as SyntaxNode);
    if (op === '!') return { ...this.base('not', node), operand: this.expr(operand) };
    return { ...this.base('other', node), form: op, items: [this.expr(operand)] };
  }

  #string(node: SyntaxNode): Text {
    let value = '';
    const parts: Expr[] = [];
    for (const child of node.children) {
      if (child.type === 'string_fragment' || child.type === 'escape_sequence') value += this.text(child);
      else if (child.type === 'template_substitution') {
        const [inner] = named(child);
        if (inner) parts.push(this.expr(inner));
        value += '\u0000';
      }
    }
    return { ...this.base('text', node), value, parts };
  }

  /** `{ a }` is lowered as `{ a: a }`; in a pattern, `{ a = 1 }` binds `a`. */
  #entry(node: SyntaxNode): { key: Expr | null; value: Expr } {
    if (node.type === 'pair' || node.type === 'pair_pattern') {
      const key = field(node, 'key') as SyntaxNode;
      const value = this.expr(field(node, 'value') as SyntaxNode);
      if (key.type === 'computed_property_name') return { key: this.expr(key), value };
      return { key: { ...this.base('text', key), value: this.text(key).replace(/^['"]|['"]$/g, ''), parts: [] }, value };
    }
    if (node.type.startsWith('shorthand_property_identifier')) {
      return { key: { ...this.base('text', node), value: this.text(node), parts: [] }, value: this.expr(node) };
    }
    if (node.type === 'object_assignment_pattern') {
      const left = field(node, 'left') as SyntaxNode;
      return { key: { ...this.base('text', left), value: this.text(left), parts: [] }, value: this.expr(left) };
    }
    return { key: null, value: this.expr(node) };
  }
}

/** The names that a pattern binds. */
function boundNames(pattern: SyntaxNode): SyntaxNode[] {
  if (pattern.type === 'identifier' || pattern.type === 'shorthand_property_identifier_pattern') return [pattern];
  if (pattern.type === 'pair_pattern') return boundNames(field(pattern, 'value') as SyntaxNode);
  if (pattern.type === 'assignment_pattern' || pattern.type === 'object_assignment_pattern') {
    return boundNames(field(pattern, 'left') as SyntaxNode);
  }
  return named(pattern).flatMap(boundNames);
}
