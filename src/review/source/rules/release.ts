import type { Claim } from '../../finding.ts';
import { advice, at, place } from '../claims.ts';
import { argumentsOf, calleeName, mentions, pathOf, receiver, rootOf } from '../expressions.ts';
import { enclosing, guardingTry } from '../flow.ts';
import type { Assign, Call, Expr, Node } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging } from '../vocabulary.ts';

const ACQUIRES_PYTHON =
  /^(open|io\.open|os\.open|os\.fdopen|socket\.socket|socket\.create_connection|tempfile\.TemporaryFile|tempfile\.NamedTemporaryFile|sqlite3\.connect|smtplib\.SMTP|ftplib\.FTP|http\.client\.HTTPS?Connection)$/;
const ACQUIRES_NODE = /^(openSync|open|createConnection|createServer|createReadStream|createWriteStream)$/;
const RELEASES = /^(close|closeSync|release|destroy|end|shutdown|terminate|quit|wait|communicate|unlock|dispose|kill|detach)$/;

export const resourceNotReleased: SourceRule = {
  id: 'resource-not-released',
  cwe: 772,
  severity: 'medium',
  hint: /acquire|open|socket|connect|Connection|Stream|TemporaryFile|SMTP|FTP/,
  title: 'a resource that is not closed on every path',
  why: 'The function opens a file, socket or process, and on some path it returns or throws without closing it. A long-running process leaks one each time, until it reaches its limit of open files.',
  remedy: 'Open it in a `with`, or close it in a `finally`.',
  checks: 'resources that functions open, and all paths out of them',
  check(module, report) {
    for (const fn of module.functions) {
      for (const claim of heldLocks(module, fn)) report(claim);
      for (const assign of fn.of('assign')) {
        const [target] = assign.targets;
        const call = assign.value && acquisition(module, assign.value);
        if (!call || assign.targets.length !== 1 || target?.kind !== 'name' || assign.exported || fn === module.top) continue;
        const leak = leakOf(fn, { assign, name: target.name });
        if (!leak) continue;
        report({
          ...place({ line: assign.line, endLine: leak.line }, fn),
          claim: `\`${target.name}\` is opened and ${leak.close ? `stays open if \`${module.brief(leak.node, 50)}\` throws` : 'never closed'}`,
          evidence: [
            at(module, assign, 'opened here'),
            ...(leak.close
              ? [at(module, leak.node, 'can throw'), at(module, leak.close, 'closed only here, outside of a `finally`')]
              : [{ line: leak.line, fact: `\`${fn.symbol}\` ends without closing, returning or storing \`${target.name}\`` }]),
          ],
          solution: advice(
            module.language === 'python'
              ? `Open it in a \`with\` statement, which closes it on every path.`
              : `Close \`${target.name}\` in a \`finally\`.`,
          ),
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

function acquisition(module: SourceModule, value: Expr): Call | null {
  const inner = value.kind === 'other' && value.form.startsWith('await') ? (value.items[0] as Expr) : value;
  if (inner.kind !== 'call') return null;
  const path = pathOf(inner.callee) ?? '';
  // Without a host, the constructor does not connect.
  if (/\.(SMTP|FTP)$/.test(path) && inner.args.length === 0) return null;
  if (module.language === 'python') return ACQUIRES_PYTHON.test(path) ? inner : null;
  const from = module.imports.get(rootOf(inner.callee) ?? '')?.module ?? '';
  return ACQUIRES_NODE.test(calleeName(inner) ?? '') &&
    /^(node:)?(fs|net|tls)(\/promises)?$/.test(from) &&
    calleeName(inner) !== 'createServer'
    ? inner
    : null;
}

/** `lock.acquire()` as a statement, if an exception can prevent the release. */
function heldLocks(module: SourceModule, fn: FunctionInfo): Claim[] {
  return fn.of('expression').flatMap(({ expr }) => {
    const call = expr.kind === 'other' ? expr.items[0] : expr;
    const path = call?.kind === 'call' && calleeName(call) === 'acquire' && call.args.length === 0 ? pathOf(receiver(call)) : null;
    if (path === null || call?.kind !== 'call' || !/(lock|mutex)\w*$/i.test(path)) return [];
    const given = fn.deep('call').filter((one) => one.start > call.end && calleeName(one) === 'release' && pathOf(receiver(one)) === path);
    const [release] = given;
    if (!release || given.some((one) => isInFinally(one) || enclosing(one, 'handler'))) return [];
    if (statementOf(call).parent !== statementOf(release).parent) return [];
    const risky = riskyBetween(fn, call, release);
    if (!risky) return [];
    return [
      {
        ...place({ line: call.line, endLine: release.line }, fn),
        claim: `\`${path}\` is acquired and stays locked if \`${module.brief(risky, 50)}\` throws`,
        evidence: [
          at(module, call, 'acquired here'),
          at(module, risky, 'can throw'),
          at(module, release, 'released only here, outside of a `finally`'),
        ],
        solution: advice(module.language === 'python' ? `Hold it in a \`with ${path}:\`.` : `Release \`${path}\` in a \`finally\`.`),
        severity: 'medium' as const,
        confidence: 'certain' as const,
      },
    ];
  });
}

function statementOf(node: Node): Node {
  let at = node;
  while (at.kind !== 'expression' && at.kind !== 'assign' && at.parent) at = at.parent;
  return at;
}

function riskyBetween(fn: FunctionInfo, from: Node, to: Node): Call | undefined {
  return fn
    .of('call')
    .find(
      (call) =>
        call.start > from.end &&
        call.end < to.start &&
        !isLogging(call) &&
        !guardingTry(call) &&
        !isHarmless(call) &&
        !enclosing(call, 'raise') &&
        !isAfterFailure(call, from),
    );
}

interface Leak {
  readonly node: Node;
  readonly line: number;
  readonly close: Node | null;
}

function leakOf(fn: FunctionInfo, { assign, name }: { assign: Assign; name: string }): Leak | null {
  if (escapes(fn, name, assign)) return null;
  const closes = fn.deep('call').filter((call) => call.start > assign.end && closesName(call, name));
  const [close] = closes;
  if (!close) return { node: fn.node, line: fn.node.endLine, close: null };
  if (closes.some((call) => isInFinally(call) || enclosing(call, 'handler'))) return null;
  const risky = riskyBetween(fn, assign, close);
  return risky ? { node: risky, line: close.line, close } : null;
}

/** Whether a call is in a handler of the `try` that opens the resource: there, opening has failed. */
function isAfterFailure(call: Call, opened: Node): boolean {
  const opening = enclosing(opened, 'try');
  const handler = enclosing(call, 'handler');
  return opening !== null && handler !== null && opening.handlers.includes(handler);
}

function closesName(call: Call, name: string): boolean {
  if (!RELEASES.test(calleeName(call) ?? '')) return false;
  return pathOf(receiver(call)) === name || call.args.some((argument) => pathOf(argument) === name);
}

function isHarmless(call: Call): boolean {
  return /^(len|str|int|repr|print|append|add|format|isinstance|range|settimeout|setsockopt|setblocking)$/.test(calleeName(call) ?? '');
}

function isInFinally(node: Node): boolean {
  for (let at: Node = node, up = node.parent; up; at = up, up = up.parent) {
    if (up.kind === 'try' && up.finalizer?.includes(at as never)) return true;
    if (up.kind === 'with' || (up.kind === 'call' && calleeName(up) === 'finally')) return true;
  }
  return false;
}

/** Whether the resource leaves the function: returned, stored, passed on, or used in a `with`. */
function escapes(fn: FunctionInfo, name: string, assign: Assign): boolean {
  const isIt = (node: Expr | null) => node?.kind === 'name' && node.name === name;
  const carries = (node: Expr | null): boolean =>
    node !== null &&
    (isIt(node) ||
      (node.kind === 'collection' && node.items.some(carries)) ||
      (node.kind === 'dict' && node.entries.some(({ value }) => carries(value))) ||
      (node.kind === 'other' && node.items.some((item) => carries(item as Expr))) ||
      (node.kind === 'ternary' && (carries(node.consequent) || carries(node.otherwise))));
  if (fn.deep('return').some(({ value }) => carries(value))) return true;
  if (fn.deep('other').some(({ form, items }) => form.startsWith('yield') && items.some((item) => carries(item as Expr)))) return true;
  if (fn.deep('assign').some((one) => one !== assign && carries(one.value))) return true;
  if (fn.deep('with').some(({ items }) => items.some(({ value }) => mentions(value, name)))) return true;
  if (fn.of('global').some(({ names }) => names.includes(name))) return true;
  return fn.deep('call').some((call) => !closesName(call, name) && !isReading(call) && argumentsOf(call).some(carries));
}

/** Functions that use an argument without keeping it. */
function isReading(call: Call): boolean {
  return /^(json\.load|json\.dump|pickle\.load|pickle\.dump|yaml\.safe_load|csv\.reader|os\.read|os\.write|readSync|writeSync|fstatSync|len|print|str)$/.test(
    pathOf(call.callee) ?? '',
  );
}
