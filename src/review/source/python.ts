import type { Budget } from '../budget.ts';
import type { Case, Clause, Expr, Func, Handler, Keyword, Lowered, Param, Stmt, Text } from './ir.ts';
import { comments, field, fields, type Lines, Lowering, named, ofType, TooDeep } from './lowering.ts';
import type { SyntaxNode } from './syntax.ts';

/** An `elif` nests in the `if` before it, so a chain is limited like any other nesting. */
const MAX_BRANCHES = 300;

/** Lowers a tree of tree-sitter-python. @throws TooDeep, OutOfSteps, Aborted */
export function lowerPython(root: SyntaxNode, lines: Lines, budget: Budget): Lowered {
  const lowering = new PythonLowering(lines, budget);
  return {
    body: lowering.block(root),
    comments: comments(root).map((node) => ({ ...lowering.base('comment', node), text: lowering.text(node) })),
  };
}

class PythonLowering extends Lowering {
  block(node: SyntaxNode | undefined): Stmt[] {
    return node ? named(node).flatMap((child) => this.#statement(child)) : [];
  }

  #statement(node: SyntaxNode): Stmt[] {
    switch (node.type) {
      case 'expression_statement':
        return this.#expressionStatement(node);
      case 'return_statement':
        return [{ ...this.base('return', node), value: this.optional(named(node)[0]) }];
      case 'raise_statement':
        return [{ ...this.base('raise', node), value: this.optional(named(node)[0]) }];
      case 'break_statement':
        return [{ ...this.base('jump', node), form: 'break' }];
      case 'continue_statement':
        return [{ ...this.base('jump', node), form: 'continue' }];
      case 'pass_statement':
        return [{ ...this.base('plain', node), form: 'pass', items: [] }];
      case 'if_statement':
        return [this.#if(node, fields(node, 'alternative'))];
      case 'for_statement':
        return [this.#for(node)];
      case 'while_statement':
        return [
          {
            ...this.base('loop', node),
            form: 'while',
            target: null,
            iter: null,
            test: this.optional(field(node, 'condition')),
            head: [],
            body: this.block(field(node, 'body')),
            otherwise: this.#else(field(node, 'alternative')),
          },
        ];
      case 'try_statement':
        return [this.#try(node)];
      case 'with_statement':
        return [this.#with(node)];
      case 'function_definition':
        return [this.#function(node, [])];
      case 'class_definition':
        return [this.#class(node, [])];
      case 'decorated_definition':
        return [this.#decorated(node)];
      case 'delete_statement':
        return [{ ...this.base('delete', node), targets: this.#flat(named(node)) }];
      case 'assert_statement':
        return [{ ...this.base('assert', node), test: this.expr(named(node)[0] as SyntaxNode) }];
      case 'global_statement':
      case 'nonlocal_statement':
        return [{ ...this.base('global', node), names: named(node).map((name) => this.text(name)) }];
      case 'import_statement':
      case 'import_from_statement':
      case 'future_import_statement':
        return this.#import(node);
      case 'match_statement':
        return [this.#match(node)];
      default:
        return [{ ...this.base('plain', node), form: node.type, items: this.exprs(named(node)) }];
    }
  }

  #expressionStatement(node: SyntaxNode): Stmt[] {
    const inner = named(node);
    const [first] = inner;
    if (!first) return [];
    if (inner.length === 1 && (first.type === 'assignment' || first.type === 'augmented_assignment')) return [this.#assign(first)];
    return inner.map((child) => ({ ...this.base('expression', node), expr: this.expr(child) }));
  }

  /** `a = b = value` is one assignment to two targets. */
  #assign(node: SyntaxNode): Stmt & Expr {
    const targets = this.#flat([field(node, 'left') as SyntaxNode]);
    let right = field(node, 'right');
    while (right?.type === 'assignment') {
      targets.push(...this.#flat([field(right, 'left') as SyntaxNode]));
      right = field(right, 'right');
    }
    const operator = field(node, 'operator');
    return {
      ...this.base('assign', node),
      targets,
      value: this.optional(right),
      op: operator ? this.text(operator) : '=',
      declared: null,
      exported: false,
    };
  }

  #flat(nodes: readonly SyntaxNode[]): Expr[] {
    return nodes.flatMap((node) => (node.type === 'expression_list' ? this.exprs(named(node)) : [this.expr(node)]));
  }

  #if(node: SyntaxNode, alternatives: readonly SyntaxNode[]): Stmt {
    if (alternatives.length > MAX_BRANCHES) throw new TooDeep();
    const [next, ...rest] = alternatives;
    let otherwise: Stmt[] | null = null;
    if (next?.type === 'elif_clause') otherwise = [this.#if(next, rest)];
    else if (next) otherwise = this.#else(next);
    const base = this.base('if', node);
    const last = rest.at(-1) ?? next;
    return {
      ...base,
      end: last?.end ?? base.end,
      endLine: last ? this.lines.of(last.end - 1) : base.endLine,
      test: this.expr(field(node, 'condition') as SyntaxNode),
      consequent: this.block(field(node, 'consequence')),
      otherwise,
    };
  }

  #else(node: SyntaxNode | undefined): Stmt[] | null {
    return node ? this.block(field(node, 'body') ?? ofType(node, 'block')) : null;
  }

  #for(node: SyntaxNode): Stmt {
    return {
      ...this.base('loop', node),
      form: 'each',
      target: this.optional(field(node, 'left')),
      iter: this.optional(field(node, 'right')),
      test: null,
      head: [],
      body: this.block(field(node, 'body')),
      otherwise: this.#else(field(node, 'alternative')),
    };
  }

  #try(node: SyntaxNode): Stmt {
    const handlers = node.children.filter(({ type }) => type === 'except_clause' || type === 'except_group_clause');
    const orelse = ofType(node, 'else_clause');
    const finalizer = ofType(node, 'finally_clause');
    return {
      ...this.base('try', node),
      body: this.block(field(node, 'body')),
      handlers: handlers.map((handler) => this.#handler(handler)),
      otherwise: orelse ? this.#else(orelse) : null,
      finalizer: finalizer ? this.block(ofType(finalizer, 'block')) : null,
    };
  }

  #handler(node: SyntaxNode): Handler {
    const inner = named(node);
    const body = inner.find(({ type }) => type === 'block');
    const [caught, alias] = inner.filter((child) => child !== body);
    const pattern = caught?.type === 'as_pattern' ? named(caught) : null;
    const type = pattern ? pattern[0] : caught;
    const name = pattern ? field(caught as SyntaxNode, 'alias') : alias;
    return {
      ...this.base('handler', node),
      type: this.optional(type),
      name: name ? this.text(name) : null,
      body: this.block(body),
    };
  }

  #with(node: SyntaxNode): Stmt {
    const clause = ofType(node, 'with_clause') as SyntaxNode;
    const items = named(clause).flatMap((item) => (item.type === 'with_item' ? [item] : named(item)));
    return {
      ...this.base('with', node),
      items: items.map((item) => this.#withItem(field(item, 'value') ?? item)),
      body: this.block(field(node, 'body')),
    };
  }

  #withItem(value: SyntaxNode): { value: Expr; target: Expr | null } {
    if (value.type !== 'as_pattern') return { value: this.expr(value), target: null };
    const target = field(value, 'alias');
    return { value: this.expr(named(value)[0] as SyntaxNode), target: this.optional(target && (named(target)[0] ?? target)) };
  }

  #decorated(node: SyntaxNode): Stmt {
    const decorators = node.children.filter(({ type }) => type === 'decorator').map((one) => this.expr(named(one)[0] as SyntaxNode));
    const definition = field(node, 'definition') as SyntaxNode;
    if (definition.type === 'class_definition') return this.#class(definition, decorators);
    if (definition.type === 'function_definition') return this.#function(definition, decorators);
    // The definition was cut because of a syntax error; its decorators are intact.
    return { ...this.base('plain', node), form: definition.type, items: decorators };
  }

  #function(node: SyntaxNode, decorators: readonly Expr[]): Func {
    const parameters = field(node, 'parameters');
    return {
      ...this.base('function', node),
      name: this.text(field(node, 'name') as SyntaxNode),
      params: parameters ? named(parameters).flatMap((one) => this.#param(one)) : [],
      defaults: parameters ? named(parameters).flatMap((one) => this.exprs(fields(one, 'value'))) : [],
      body: this.block(field(node, 'body')),
      decorators,
      exported: true,
      concise: false,
    };
  }

  #param(node: SyntaxNode): Param[] {
    const type = field(node, 'type');
    const name = field(node, 'name') ?? (node.type === 'identifier' ? node : named(node)[0]);
    if (!name || node.type === 'keyword_separator' || node.type === 'positional_separator') return [];
    return [
      { name: this.text(name).replace(/^\*+/, ''), type: type ? this.text(type) : null, hasDefault: field(node, 'value') !== undefined },
    ];
  }

  #class(node: SyntaxNode, decorators: readonly Expr[]): Stmt {
    const bases = field(node, 'superclasses');
    return {
      ...this.base('class', node),
      name: this.text(field(node, 'name') as SyntaxNode),
      bases: bases ? this.exprs(named(bases).filter(({ type }) => type !== 'keyword_argument')) : [],
      body: this.block(field(node, 'body')),
      decorators,
      exported: true,
    };
  }

  #import(node: SyntaxNode): Stmt[] {
    const from = field(node, 'module_name');
    const names = node.type === 'import_statement' ? fields(node, 'name') : named(node).filter((child) => child !== from);
    const module = from ? this.text(from) : '';
    const of = (child: SyntaxNode) => {
      const alias = field(child, 'alias');
      const name = this.text(field(child, 'name') ?? child);
      const local = alias ? this.text(alias) : from ? name : (name.split('.')[0] as string);
      return { local, name, position: this.base('name', child) };
    };
    if (from || node.type === 'future_import_statement') {
      const listed = names.map(of).map(({ local, name, position }) => ({ local, imported: name, position }));
      return [{ ...this.base('import', node), module: module || '__future__', names: listed }];
    }
    return names.map(of).map(({ local, name, position }) => ({
      ...this.base('import', node),
      module: name,
      names: [{ local, imported: null, position }],
    }));
  }

  #match(node: SyntaxNode): Stmt {
    const body = field(node, 'body') ?? node;
    const cases = body.children
      .filter(({ type }) => type === 'case_clause')
      .map((clause): Case => {
        const patterns = clause.children.filter(({ type }) => type === 'case_pattern');
        const isDefault = patterns.length === 1 && this.text(patterns[0] as SyntaxNode) === '_' && !field(clause, 'guard');
        return { tests: isDefault ? [] : this.exprs(patterns), body: this.block(field(clause, 'consequence')) };
      });
    return { ...this.base('switch', node), subject: this.expr(field(node, 'subject') as SyntaxNode), cases };
  }

  protected override expr(node: SyntaxNode): Expr {
    switch (node.type) {
      case 'identifier':
      case 'keyword_identifier':
        return { ...this.base('name', node), name: this.text(node) };
      case 'parenthesized_expression':
      case 'as_pattern_target':
      case 'case_pattern': {
        const inner = named(node);
        return inner.length === 1 ? this.expr(inner[0] as SyntaxNode) : this.other(node);
      }
      case 'attribute':
        return {
          ...this.base('attribute', node),
          object: this.expr(field(node, 'object') as SyntaxNode),
          name: this.text(field(node, 'attribute') as SyntaxNode),
          optional: false,
        };
      case 'subscript':
        return this.#subscript(node);
      case 'call':
        return this.#call(node);
      case 'binary_operator':
        return { ...this.base('binary', node), op: this.#operator(node), ...this.#sides(node) };
      case 'boolean_operator':
        return { ...this.base('logic', node), op: this.#operator(node) as 'and' | 'or', ...this.#sides(node) };
      case 'not_operator':
        return { ...this.base('not', node), operand: this.expr(field(node, 'argument') as SyntaxNode) };
      case 'comparison_operator':
        return this.#comparison(node);
      case 'string':
      case 'concatenated_string':
        return this.#string(node);
      case 'integer':
      case 'float':
        return { ...this.base('num', node), value: Number(this.text(node).replaceAll('_', '')) };
      case 'none':
      case 'true':
      case 'false':
        return { ...this.base('constant', node), value: node.type };
      case 'list':
      case 'list_pattern':
        return { ...this.base('collection', node), form: 'list', items: this.exprs(named(node)) };
      case 'set':
        return { ...this.base('collection', node), form: 'set', items: this.exprs(named(node)) };
      case 'tuple':
      case 'tuple_pattern':
      case 'pattern_list':
      case 'expression_list':
        return { ...this.base('collection', node), form: 'tuple', items: this.exprs(named(node)) };
      case 'dictionary':
        return { ...this.base('dict', node), entries: named(node).map((one) => this.#entry(one)) };
      case 'list_comprehension':
      case 'set_comprehension':
      case 'generator_expression':
      case 'dictionary_comprehension':
        return this.#comprehension(node);
      case 'lambda':
        return this.#lambda(node);
      case 'conditional_expression': {
        const [consequent, test, otherwise] = named(node) as [SyntaxNode, SyntaxNode, SyntaxNode];
        return { ...this.base('ternary', node), test: this.expr(test), consequent: this.expr(consequent), otherwise: this.expr(otherwise) };
      }
      case 'named_expression':
        return {
          ...this.base('assign', node),
          targets: [this.expr(field(node, 'name') as SyntaxNode)],
          value: this.optional(field(node, 'value')),
          op: '=',
          declared: null,
          exported: false,
        };
      case 'assignment':
      case 'augmented_assignment':
        return this.#assign(node) as Expr;
      default:
        return this.other(node);
    }
  }

  #operator(node: SyntaxNode): string {
    return this.text(field(node, 'operator') as SyntaxNode);
  }

  #sides(node: SyntaxNode): { left: Expr; right: Expr } {
    return { left: this.expr(field(node, 'left') as SyntaxNode), right: this.expr(field(node, 'right') as SyntaxNode) };
  }

  #subscript(node: SyntaxNode): Expr {
    const object = this.expr(field(node, 'value') as SyntaxNode);
    const [subscript, ...more] = fields(node, 'subscript').filter(({ named: isNamed }) => isNamed);
    if (subscript?.type === 'slice' && more.length === 0) {
      const [from, to] = this.#bounds(subscript);
      return { ...this.base('slice', node), object, from, to };
    }
    if (!subscript || more.length > 0) return this.other(node);
    return { ...this.base('index', node), object, index: this.expr(subscript), optional: false };
  }

  #bounds(slice: SyntaxNode): [Expr | null, Expr | null] {
    const parts: (Expr | null)[] = [null];
    for (const child of slice.children) {
      if (child.type === ':') parts.push(null);
      else if (child.named && child.type !== 'comment') parts[parts.length - 1] = this.expr(child);
    }
    return [parts[0] ?? null, parts[1] ?? null];
  }

  #call(node: SyntaxNode): Expr {
    const list = field(node, 'arguments');
    const all = list?.type === 'generator_expression' ? [list] : list ? named(list) : [];
    const keywords: Keyword[] = [];
    const args: Expr[] = [];
    for (const one of all) {
      if (one.type === 'keyword_argument') {
        keywords.push({ name: this.text(field(one, 'name') as SyntaxNode), value: this.expr(field(one, 'value') as SyntaxNode) });
      } else args.push(this.expr(one));
    }
    return { ...this.base('call', node), callee: this.expr(field(node, 'function') as SyntaxNode), args, keywords, isNew: false };
  }

  #comparison(node: SyntaxNode): Expr {
    const operands = named(node).filter((child) => child.field !== 'operators');
    const operators = fields(node, 'operators');
    if (operands.length !== 2) return this.other(node, 'comparison');
    const [left, right] = operands as [SyntaxNode, SyntaxNode];
    const op = operators
      .map((one) => this.text(one))
      .join(' ')
      .replace(/\s+/g, ' ');
    return { ...this.base('compare', node), op, left: this.expr(left), right: this.expr(right) };
  }

  #string(node: SyntaxNode): Text {
    const pieces = node.type === 'concatenated_string' ? named(node) : [node];
    let value = '';
    const parts: Expr[] = [];
    for (const piece of pieces) {
      for (const child of piece.children) {
        if (child.type === 'string_content') value += this.text(child);
        else if (child.type === 'interpolation') {
          const inner = field(child, 'expression') ?? named(child)[0];
          if (inner) parts.push(this.expr(inner));
          value += '\u0000';
        }
      }
    }
    return { ...this.base('text', node), value, parts };
  }

  #entry(node: SyntaxNode): { key: Expr | null; value: Expr } {
    if (node.type !== 'pair') return { key: null, value: this.expr(node) };
    return { key: this.expr(field(node, 'key') as SyntaxNode), value: this.expr(field(node, 'value') as SyntaxNode) };
  }

  #comprehension(node: SyntaxNode): Expr {
    const body = field(node, 'body') as SyntaxNode;
    const clauses: Clause[] = [];
    for (const child of named(node)) {
      if (child.type === 'for_in_clause') {
        clauses.push({
          target: this.expr(field(child, 'left') as SyntaxNode),
          iter: this.expr(field(child, 'right') as SyntaxNode),
          conditions: [],
        });
      } else if (child.type === 'if_clause') {
        (clauses.at(-1)?.conditions as Expr[] | undefined)?.push(...this.exprs(named(child)));
      }
    }
    const { key, value } = this.#entry(body);
    const forms = { list_comprehension: 'list', set_comprehension: 'set', dictionary_comprehension: 'dict' } as const;
    const form = forms[node.type as keyof typeof forms] ?? 'generator';
    return { ...this.base('comprehension', node), form, elements: key ? [key, value] : [value], clauses };
  }

  #lambda(node: SyntaxNode): Func {
    const body = field(node, 'body') as SyntaxNode;
    const parameters = field(node, 'parameters');
    return {
      ...this.base('function', node),
      name: null,
      params: parameters ? named(parameters).flatMap((one) => this.#param(one)) : [],
      defaults: parameters ? named(parameters).flatMap((one) => this.exprs(fields(one, 'value'))) : [],
      body: [{ ...this.base('return', body), value: this.expr(body) }],
      decorators: [],
      exported: false,
      concise: true,
    };
  }
}
