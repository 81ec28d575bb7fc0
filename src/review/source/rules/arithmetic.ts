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
  title: 'a size, index or address computed in the wrong kind of number',
  why: 'A division gives a fraction where a whole number is needed, or a shift leaves 32 bits as a negative number: the size is wrong or refused for some inputs and right for those that were tried.',
  remedy: 'Divide whole (`//`, `Math.floor`), and bring shifts back to unsigned (`>>> 0`).',
  checks: 'divisions that become sizes, and shifts into the sign bit',
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

/** A division whose result is a size as it is. */
function fraction(module: SourceModule, fn: FunctionInfo, node: Binary): Slip | null {
  if (node.op !== '/' || node.left.kind === 'text' || isPathJoin(module, node)) return null;
  const use = sizeUse(module, node) ?? laterUse(module, fn, node);
  if (use === null || (module.language !== 'python' && isWhole(module, node))) return null;
  const isPython = module.language === 'python';
  if (!isPython && asksRemainder(module, fn, node.left)) return null;
  const fate = { '`Array`': 'refuses it', 'an index': 'finds nothing there' }[use] ?? 'cuts it off, so that the last part has no room';
  return {
    what: isPython
      ? `is a float, always, and ${use} takes whole numbers`
      : `is a fraction where it does not divide evenly, and ${use} ${fate}`,
    how: `the division; ${use} is given its result as it is`,
    cure: isPython ? 'Divide with `//`.' : 'Round with `Math.floor` or `Math.ceil`.',
    cwe: 1339,
  };
}

/** A quotient of constants that divides evenly. */
function isWhole(module: SourceModule, { left, right }: Binary): boolean {
  const [dividend, divisor] = [left, right].map((side) => (side.kind === 'name' ? module.constant(side.name) : side));
  return dividend?.kind === 'num' && divisor?.kind === 'num' && Number.isInteger(dividend.value / divisor.value);
}

/** Whoever asks for the remainder knows that there may be one. */
function asksRemainder(module: SourceModule, fn: FunctionInfo, dividend: Expr): boolean {
  const text = module.text(dividend);
  return fn.of('binary').some((node) => node.op === '%' && module.text(node.left) === text);
}

/** pathlib joins with `/`. */
function isPathJoin(module: SourceModule, node: Binary): boolean {
  return module.language === 'python' && (node.right.kind === 'text' || /path|dir|root|folder/i.test(pathOf(node.left) ?? ''));
}

/** Of a quotient that is kept under a name first: the one use of that name as a size. */
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

/** `items.length / 2`: a count that may be odd. */
function isOfLength(node: Node): boolean {
  return node.kind === 'binary' && node.left.kind === 'attribute' && node.left.name === 'length';
}

/** `byte << 24` of JavaScript is negative from 128 on. */
function signBit(module: SourceModule, fn: FunctionInfo, node: Binary): Slip | null {
  if (node.op !== '<<' || node.right.kind !== 'num' || node.right.value < 24 || node.right.value > 31) return null;
  if (node.left.kind === 'num' && node.left.value * 2 ** node.right.value < 2 ** 31) return null;
  for (let up = node.parent; up && up.kind !== 'function'; up = up.parent) {
    if (up.kind === 'binary' && (up.op === '>>>' || up.op === '&')) return null;
    if (up.kind === 'expression' || up.kind === 'return' || up.kind === 'assign') break;
  }
  if (!becomesNumber(module, fn, node)) return null;
  return {
    what: 'is negative when the sign bit is set: JavaScript shifts 32 bits with a sign',
    how: 'the shift; nothing around it makes it unsigned again',
    cure: 'Write `(…) >>> 0` around it, or multiply by `2 ** n`.',
    cwe: 190,
  };
}

const NUMBERS = /^(hash|int|len|abs|ord|sum|max|min|round|crc32|adler32|from_bytes|randrange|randint|getrandbits)$/;

/** A name for something that is never negative. */
const COUNTS = /addr|(^|_)ip(v4)?$|Ip(v4)?$|size|len|count|offset|index|uint|u32|number|total/i;

/** Whether the bits are taken for a number in the end; where they are only mixed with others (a cipher, a hash), the sign is a bit like all. */
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
  title: 'a division by the length of something that may be empty',
  why: 'An empty list is a list too: the division ends the program with a ZeroDivisionError, or gives NaN, which spreads.',
  remedy: 'Say what the result is when there is nothing.',
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
          claim: `\`${module.brief(node)}\` divides by zero when \`${path}\` is empty`,
          evidence: [
            at(module, node, 'the division'),
            { line: node.line, fact: `nothing in \`${fn.symbol ?? 'the module'}\` asks whether \`${path}\` is empty before` },
          ],
          solution: advice(`Return early when \`${path}\` is empty.`),
          severity: 'low',
          confidence: 'likely',
        });
      }
    }
  },
};

/** Python's `%` of anything but a number puts values into a text. */
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

/** Handed in, or kept: nobody here made it with something in it. */
function mayBeEmpty(fn: FunctionInfo, path: string): boolean {
  const root = path.split(/[.[]/)[0] ?? '';
  return fn.params.includes(root) && path === root;
}

/** In a loop over it there is something. */
function inLoopOver(node: Node, path: string): boolean {
  for (let up = node.parent; up && up.kind !== 'function'; up = up.parent) {
    if (up.kind === 'loop' && up.iter && mentions(up.iter, path)) return true;
    if (up.kind === 'comprehension' && up.clauses.some(({ iter }) => mentions(iter, path))) return true;
  }
  return false;
}
