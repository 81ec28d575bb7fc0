import { advice, at, place } from '../claims.ts';
import { calleeName, isConstant, mentions, pathOf, some } from '../expressions.ts';
import { exits, isWithin, siblingsAfter } from '../flow.ts';
import type { Call, Expr, Handler, Loop, Node, Stmt, Try } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging } from '../vocabulary.ts';
import { droppedExceptions } from './dropped-exception.ts';

export const swallowedException: SourceRule = {
  id: 'swallowed-exception',
  cwe: 390,
  severity: 'medium',
  hint: /\bexcept\b|\bcatch\b|\bsuppress\b|(Error|Exception)\(/,
  title: 'all exceptions caught and ignored',
  why: 'The handler ignores every failure, including unexpected ones such as a typo in the code. The caller continues as if the operation had succeeded, and no log shows what failed.',
  remedy: 'Catch the expected exceptions by type. Log the others, or do not catch them.',
  checks: 'handlers that catch all exceptions, and what they do',
  check(module, report) {
    for (const fn of module.functions) {
      for (const claim of droppedExceptions(module, fn)) report(claim);
      for (const node of fn.of('try')) {
        for (const handler of node.handlers) {
          if (!catchesAll(handler) || !isEmpty(module, handler) || isFirstAttempt(node)) continue;
          const what = node.body[0];
          report({
            ...place(handler, fn),
            claim: `${handler.type ? `\`except ${module.brief(handler.type)}\`` : module.language === 'python' ? 'a bare `except`' : 'an empty `catch`'} ignores every failure of the code that it surrounds`,
            evidence: [
              at(module, handler, 'catches all exceptions'),
              { line: handler.body[0]?.line ?? handler.line, fact: 'does nothing: no log, no other result, no exception' },
              ...(what ? [at(module, what, 'can fail without a trace')] : []),
            ],
            solution: advice('Name the expected exception type. Log the others, or do not catch them.'),
            severity: module.language === 'python' && !isCleanup(node) ? 'medium' : 'low',
            confidence: 'certain',
          });
        }
      }
      for (const node of fn.of('with')) {
        const suppressed = node.items.map(({ value }) => value).find(suppressesAll);
        if (!suppressed || (exits(node.body) && siblingsAfter(node).length > 0)) continue;
        report({
          ...place({ line: suppressed.line, endLine: suppressed.endLine }, fn),
          claim: `\`${module.brief(suppressed)}\` ignores every failure of the code that it surrounds`,
          evidence: [
            at(module, suppressed, 'catches all exceptions and does nothing'),
            ...(node.body[0] ? [at(module, node.body[0], 'can fail without a trace')] : []),
          ],
          solution: advice('Name the expected exception type.'),
          severity: 'medium',
          confidence: 'certain',
        });
      }
      for (const call of fn.of('call')) {
        const [drop] = call.args;
        if (calleeName(call) !== 'catch' || call.callee.kind !== 'attribute' || drop?.kind !== 'function' || drop.params.length > 0)
          continue;
        if (drop.body.length > 0 || module.hasComment(drop)) continue;
        report({
          ...place(call, fn),
          claim: '`.catch(() => {})` ignores every rejection of the promise before it',
          evidence: [at(module, drop, 'catches all exceptions and does nothing')],
          solution: advice('Check the error: ignore the expected one, log the others.'),
          severity: 'low',
          confidence: 'certain',
        });
      }
    }
  },
};

function suppressesAll(node: Expr): boolean {
  return (
    node.kind === 'call' &&
    calleeName(node) === 'suppress' &&
    node.args.some((argument) => argument.kind === 'name' && /^(Exception|BaseException)$/.test(argument.name))
  );
}

/** Whether the body returns on success. The code after the `try` then handles the failure. */
function isFirstAttempt(node: Try): boolean {
  return (exits(node.body) || (node.otherwise !== null && exits(node.otherwise))) && siblingsAfter(node).length > 0;
}

const CLOSES = /^_?(close|stop|cancel|shutdown|quit|kill|terminate|disconnect|unlink|remove|cleanup|clean_up|release|join|destroy|detach)$/;

/** Whether the body only releases something that is no longer needed. */
function isCleanup(node: Try): boolean {
  const [only] = node.body;
  return node.body.length === 1 && only?.kind === 'expression' && only.expr.kind === 'call' && CLOSES.test(calleeName(only.expr) ?? '');
}

function catchesAll({ type }: Handler): boolean {
  return type === null || (type.kind === 'name' && /^(Exception|BaseException)$/.test(type.name));
}

function isEmpty(module: SourceModule, handler: Handler): boolean {
  // In TypeScript, by convention a comment in the empty block gives the reason.
  if (module.language !== 'python') return handler.body.length === 0 && !module.hasComment(handler);
  return handler.body.every(
    (node) => (node.kind === 'plain' && node.form === 'pass') || (node.kind === 'jump' && node.form === 'continue') || isEllipsis(node),
  );
}

function isEllipsis(node: Stmt): boolean {
  return node.kind === 'expression' && ((node.expr.kind === 'other' && node.expr.form === 'ellipsis') || node.expr.kind === 'text');
}

const WAITS = /sleep|wait|delay|backoff|timeout|retry|pause|select|poll|recv|accept|^get$|^read|^next$|receive|join|acquire|input|listen/i;

export const endlessRetry: SourceRule = {
  id: 'endless-retry',
  cwe: 834,
  severity: 'medium',
  hint: /\bwhile\b|for \(/,
  title: 'a failing operation that is retried for ever without a pause',
  why: 'While the operation fails, the loop runs at full speed. It occupies a core, floods the log and the peer, and never gives up.',
  remedy: 'Wait between attempts, longer each time, and give up after a maximum number.',
  checks: 'endless loops that retry a failed operation',
  check(module, report) {
    for (const fn of module.functions) {
      for (const loop of fn.of('loop')) {
        const attempt = isEndless(loop) ? onlyAttempt(loop) : null;
        const handler = attempt?.handlers.find((one) => retries(one));
        if (!attempt || !handler || hasPause(fn, loop)) continue;
        report({
          line: loop.line,
          endLine: handler.endLine,
          symbol: fn.symbol,
          claim: 'the loop retries a failing operation at once and for ever',
          evidence: [
            at(module, loop, 'an endless loop'),
            at(module, handler, 'catches a failure inside the loop'),
            { line: handler.endLine, fact: 'the next attempt begins: the loop neither waits nor counts attempts' },
          ],
          solution: advice(
            'Sleep in the handler with a delay that doubles up to a maximum, and raise the last error after a maximum number of attempts.',
          ),
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

function isEndless({ form, test }: Loop): boolean {
  if (form === 'each') return false;
  return test === null || isConstant(test, 'true') || (test.kind === 'num' && test.value === 1);
}

function onlyAttempt(loop: Loop): Try | null {
  const [first] = loop.body;
  return loop.body.length === 1 && first?.kind === 'try' ? first : null;
}

/** Whether the loop continues after the handler. */
function retries({ type, name, body }: Handler): boolean {
  const waited = (node: Node) =>
    (node.kind === 'name' || node.kind === 'attribute') && /Interrupt|Empty|Time_?out|Blocking/i.test(node.name);
  if (type && some(type, waited)) return false;
  return !body.some((node) => some(node, (one) => changesSomething(one, name)));
}

/** Whether a node leaves the loop, or has an effect that changes the next attempt. */
function changesSomething(node: Node, error: string | null): boolean {
  return (
    node.kind === 'raise' ||
    node.kind === 'return' ||
    (node.kind === 'jump' && node.form === 'break') ||
    (node.kind === 'call' && !reports(node, error))
  );
}

/** Whether a call only reports the error. */
function reports(call: Call, error: string | null): boolean {
  if (isLogging(call) || /^(print|str|repr|format|format_exc|print_exc)$/.test(calleeName(call) ?? '')) return true;
  return error !== null && call.args.some((argument) => mentions(argument, error));
}

function hasPause(fn: FunctionInfo, loop: Loop): boolean {
  return (
    fn
      .deep('call')
      .some((call) => isWithin(call, loop) && WAITS.test(calleeName(call) ?? pathOf(call.callee as Expr) ?? '') && !isLogging(call)) ||
    fn.of('assign').some((node) => node.op === '+=' && isWithin(node, loop))
  );
}
