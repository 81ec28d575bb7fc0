import type { Cwe } from '../../cwe.ts';
import { bindingsOf } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { boundNames, calleeName, mentions, pathOf } from '../expressions.ts';
import { guardingTry, guardsAt } from '../flow.ts';
import type { Binary, Expr, Node } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

const SIZES_PYTHON = /^(range|bytes|bytearray|islice|recv|read|seek|truncate|itertools\.islice)$/;
const SIZES_NODE = /^(alloc|allocUnsafe|Array|Uint8Array|Buffer|subarray|slice|repeat|substring|fill|setUint8|copy)$/;

export const sizeArithmetic: SourceRule = {
  id: 'size-arithmetic',
  cwe: 1339,
  alsoCwes: [190],
  severity: 'medium',
  title: 'a size, index or address computed with the wrong kind of number',
  why: 'A division gives a fraction where an integer is required, or a left shift sets the sign bit and gives a negative number. The result is wrong for some inputs only, so tests may not show it.',
  remedy: 'Use integer division (`//`, `Math.floor`), and convert shifts to unsigned (`>>> 0`).',
  checks: 'divisions used as sizes, and shifts into the sign bit',
  check(module, report) {
    const isPython = module.language === 'python';
    for (const fn of module.functions) {
      for (const node of fn.of('binary')) {
        const slip = isPython || node.op === '/' ? fraction(module, fn, node) : signBit(module, fn, node);
        if (!slip) continue;
        report({
          ...place(node, fn),
          claim: `\`${module.brief(node)}\` ${slip.what}`,
          evidence: [at(module, node, slip.how)],
          solution: advice(slip.cure),
          severity: 'medium',
          confidence: isPython || node.op !== '/' ? 'certain' : 'likely',
          cwe: slip.cwe,
        });
      }
    }
  },
};

interface Slip {
  readonly what: string;
  readonly how: string;
  readonly cure: string;
  readonly cwe: Cwe;
}

/** A division whose unrounded result is a size. */
function fraction(module: SourceModule, fn: FunctionInfo, node: Binary): Slip | null {
  if (node.op !== '/' || node.left.kind === 'text' || isPathJoin(module, node)) return null;
  const use = sizeUse(module, node) ?? laterUse(module, fn, node);
  if (use === null || (module.language !== 'python' && isWhole(module, node))) return null;
  const isPython = module.language === 'python';
  if (!isPython && asksRemainder(module, fn, node.left)) return null;
  const fate = { '`Array`': 'refuses it', 'an index': 'finds no item' }[use] ?? 'truncates it, so that the last part does not fit';
  return {
    what: isPython ? `is always a float, and ${use} requires an integer` : `is a fraction unless it divides evenly, and ${use} ${fate}`,
    how: `the division, whose result ${use} receives unrounded`,
    cure: isPython ? 'Divide with `//`.' : 'Round with `Math.floor` or `Math.ceil`.',
    cwe: 1339,
  };
}

/** A quotient of constants that divides evenly. */
function isWhole(module: SourceModule, { left, right }: Binary): boolean {
  const [dividend, divisor] = [left, right].map((side) => (side.kind === 'name' ? module.constant(side.name) : side));
  return dividend?.kind === 'num' && divisor?.kind === 'num' && Number.isInteger(dividend.value / divisor.value);
}

/** Whether the function also computes the remainder, and so considers uneven division. */
function asksRemainder(module: SourceModule, fn: FunctionInfo, dividend: Expr): boolean {
  const text = module.text(dividend);
  return fn.of('binary').some((node) => node.op === '%' && module.text(node.left) === text);
}

/** Whether `/` joins paths (pathlib). */
function isPathJoin(module: SourceModule, node: Binary): boolean {
  return module.language === 'python' && (node.right.kind === 'text' || /path|dir|root|folder/i.test(pathOf(node.left) ?? ''));
}

/** The use as a size of the only name that a quotient is assigned to. */
function laterUse(module: SourceModule, fn: FunctionInfo, node: Binary): string | null {
  const assign = node.parent;
  const [target] = assign?.kind === 'assign' ? assign.targets : [];
  if (module.language !== 'python' || assign?.kind !== 'assign' || assign.op !== '=' || target?.kind !== 'name') return null;
  const bindings = bindingsOf(fn, target.name);
  if (bindings.length !== 1) return null;
  return (
    fn
      .of('name')
      .filter(({ name, start }) => name === target.name && start > assign.end)
      .map((one) => sizeUse(module, one))
      .find((use) => use !== null) ?? null
  );
}

function sizeUse(module: SourceModule, node: Node): string | null {
  let at: Node = node;
  let up = node.parent;
  while (up?.kind === 'binary' && /^[-+*/]$/.test(up.op)) {
    at = up;
    up = up.parent;
  }
  if (up?.kind === 'index' && up.index === at && (module.language === 'python' || isOfLength(node))) return 'an index';
  if (up?.kind === 'slice' && (up.from === at || up.to === at)) return 'a slice';
  if (up?.kind !== 'call' || !up.args.includes(at as Expr)) return null;
  const name = calleeName(up) ?? '';
  return (module.language === 'python' ? SIZES_PYTHON : SIZES_NODE).test(name) ? `\`${name}\`` : null;
}

/** `items.length / 2`: half of a count that may be odd. */
function isOfLength(node: Node): boolean {
  return node.kind === 'binary' && node.left.kind === 'attribute' && node.left.name === 'length';
}

/** In JavaScript, `byte << 24` is negative from 128 on (ECMA-262, left shift on int32). */
function signBit(module: SourceModule, fn: FunctionInfo, node: Binary): Slip | null {
  if (node.op !== '<<' || node.right.kind !== 'num' || node.right.value < 24 || node.right.value > 31) return null;
  if (node.left.kind === 'num' && node.left.value * 2 ** node.right.value < 2 ** 31) return null;
  for (let up = node.parent; up && up.kind !== 'function'; up = up.parent) {
    if (up.kind === 'binary' && (up.op === '>>>' || up.op === '&')) return null;
    if (up.kind === 'expression' || up.kind === 'return' || up.kind === 'assign') break;
  }
  if (!becomesNumber(module, fn, node)) return null;
  return {
    what: 'is negative if the sign bit is set: JavaScript shifts signed 32-bit integers',
    how: 'the shift, which is not converted to unsigned',
    cure: 'Write `(…) >>> 0` around it, or multiply by `2 ** n`.',
    cwe: 190,
  };
}

const NUMBERS = /^(hash|int|len|abs|ord|sum|max|min|round|crc32|adler32|from_bytes|randrange|randint|getrandbits)$/;

/** Names of values that are never negative. */
const COUNTS = /addr|(^|_)ip(v4)?$|Ip(v4)?$|size|len|count|offset|index|uint|u32|number|total/i;

/** Whether the bits end up as a number. If they are only mixed with others (a cipher, a hash), the sign does not matter. */
function becomesNumber(module: SourceModule, fn: FunctionInfo, node: Binary): boolean {
  let at: Node = node;
  let up = node.parent;
  for (; up?.kind === 'binary' && /^[|^]$/.test(up.op); at = up, up = up.parent);
  if (up?.kind === 'binary') return /^[-+*/%]$/.test(up.op);
  if (up?.kind === 'compare') return true;
  if (up?.kind === 'return') return COUNTS.test(fn.name ?? '');
  if (up?.kind === 'assign') return boundNames(up.targets).some((name) => COUNTS.test(name));
  return sizeUse(module, at) !== null;
}

export const divisionByCount: SourceRule = {
  id: 'division-by-count',
  cwe: 369,
  severity: 'low',
  title: 'a division by a length that may be zero',
  why: 'For an empty list, the division raises ZeroDivisionError in Python. In JavaScript it gives NaN or Infinity, which spreads through later results.',
  remedy: 'Define the result for an empty list.',
  checks: 'divisions by lengths',
  check(module, report) {
    for (const fn of module.functions) {
      for (const node of fn.of('binary')) {
        const counted = divides(module, node) ? countedIn(node.right) : null;
        const path = counted ? pathOf(counted) : null;
        if (!counted || path === null || !mayBeEmpty(fn, path) || guardingTry(node)) continue;
        if (guardsAt(node).some(({ test }) => mentions(test, path))) continue;
        if (fn.of('if').some(({ test, start }) => start < node.start && mentions(test, path)) || inLoopOver(node, path)) continue;
        report({
          ...place(node, fn),
          claim: `\`${module.brief(node)}\` divides by zero if \`${path}\` is empty`,
          evidence: [
            at(module, node, 'the division'),
            { line: node.line, fact: `\`${fn.symbol ?? 'the module'}\` does not check whether \`${path}\` is empty` },
          ],
          solution: advice(`Return early if \`${path}\` is empty.`),
          severity: 'low',
          confidence: 'likely',
        });
      }
    }
  },
};

/** Python's `%` on anything but a number formats a string. */
function divides(module: SourceModule, { op, left }: Binary): boolean {
  if (op === '/' || op === '//') return true;
  if (op !== '%') return false;
  return (
    module.language !== 'python' ||
    left.kind === 'num' ||
    left.kind === 'binary' ||
    (left.kind === 'call' && NUMBERS.test(calleeName(left) ?? ''))
  );
}

function countedIn(right: Expr): Expr | null {
  if (right.kind === 'call' && right.callee.kind === 'name' && right.callee.name === 'len') return right.args[0] ?? null;
  return right.kind === 'attribute' && /^(length|size)$/.test(right.name) ? right.object : null;
}

/** Only parameters may be empty; for other values, the function may have added items. */
function mayBeEmpty(fn: FunctionInfo, path: string): boolean {
  const root = path.split(/[.[]/)[0] ?? '';
  return fn.params.includes(root) && path === root;
}

/** Inside a loop over a value, the value is not empty. */
function inLoopOver(node: Node, path: string): boolean {
  for (let up = node.parent; up && up.kind !== 'function'; up = up.parent) {
    if (up.kind === 'loop' && up.iter && mentions(up.iter, path)) return true;
    if (up.kind === 'comprehension' && up.clauses.some(({ iter }) => mentions(iter, path))) return true;
  }
  return false;
}
