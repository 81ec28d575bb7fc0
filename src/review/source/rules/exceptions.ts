import { advice, at, place } from '../claims.ts';
import { calleeName, isConstant, mentions, pathOf, some } from '../expressions.ts';
import { exits, isWithin, siblingsAfter } from '../flow.ts';
import type { Call, Expr, Handler, Loop, Node, Stmt, Try } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging } from '../vocabulary.ts';

export const swallowedException: SourceRule = {
  id: 'swallowed-exception',
  cwe: 390,
  severity: 'medium',
  hint: /\bexcept\b|\bcatch\b|\bsuppress\b/,
  title: 'every failure caught and dropped',
  why: 'Whatever goes wrong here, foreseen or not, a typo included, is dropped without a word: the caller goes on as if it had worked, and nobody can find out later.',
  remedy: 'Catch what is expected by its type; log the rest, or let it through.',
  checks: 'handlers that catch everything, and what they do',
  check(module, report) {
    for (const fn of module.functions) {
      for (const node of fn.of('try')) {
        for (const handler of node.handlers) {
          if (!catchesAll(handler) || !isEmpty(module, handler) || isFirstAttempt(node)) continue;
          const what = node.body[0];
          report({
            ...place(handler, fn),
            claim: `${handler.type ? `\`except ${module.brief(handler.type)}\`` : module.language === 'python' ? 'a bare `except`' : 'an empty `catch`'} drops every failure of what it surrounds`,
            evidence: [
              at(module, handler, 'catches everything'),
              { line: handler.body[0]?.line ?? handler.line, fact: 'and does nothing with it: no log, no other answer, nothing raised' },
              ...(what ? [at(module, what, 'what can fail unseen')] : []),
            ],
            solution: advice('Name the type that is expected here; let others through, or log them.'),
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
          claim: `\`${module.brief(suppressed)}\` drops every failure of what it surrounds`,
          evidence: [
            at(module, suppressed, 'catches everything and does nothing with it'),
            ...(node.body[0] ? [at(module, node.body[0], 'what can fail unseen')] : []),
          ],
          solution: advice('Name the type that is expected here.'),
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
          claim: '`.catch(() => {})` drops every failure of the promise before it',
          evidence: [at(module, drop, 'catches everything and does nothing with it')],
          solution: advice('Look at the error: let the expected one pass, log the others.'),
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

/** One that returns where it works: what stands after it is the answer to its failure. */
function isFirstAttempt(node: Try): boolean {
  return (exits(node.body) || (node.otherwise !== null && exits(node.otherwise))) && siblingsAfter(node).length > 0;
}

const CLOSES = /^_?(close|stop|cancel|shutdown|quit|kill|terminate|disconnect|unlink|remove|cleanup|clean_up|release|join|destroy|detach)$/;

/** Nothing but letting something go: whoever does that has no more use for it. */
function isCleanup(node: Try): boolean {
  const [only] = node.body;
  return node.body.length === 1 && only?.kind === 'expression' && only.expr.kind === 'call' && CLOSES.test(calleeName(only.expr) ?? '');
}

function catchesAll({ type }: Handler): boolean {
  return type === null || (type.kind === 'name' && /^(Exception|BaseException)$/.test(type.name));
}

function isEmpty(module: SourceModule, handler: Handler): boolean {
  // In TypeScript, a comment alone in the braces is the customary way to say why.
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
  title: 'a failing operation that is tried again for ever, without a pause',
  why: 'As long as the operation fails, the loop runs at full speed: it takes a core, floods the log and the other side, and never gives up.',
  remedy: 'Wait between attempts, longer each time, and give up after a number of them.',
  checks: 'loops without an end that try something again when it failed',
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
          claim: 'the loop tries again at once and for ever when the operation in it fails',
          evidence: [
            at(module, loop, 'a loop without an end of its own'),
            at(module, handler, 'a failure is caught inside it'),
            { line: handler.endLine, fact: 'and the next attempt begins: nothing in the loop waits, counts, or gives up' },
          ],
          solution: advice('Sleep in the handler, doubling the time up to a bound, and raise the last error after a number of attempts.'),
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

/** A handler after which the loop goes round again. */
function retries({ type, name, body }: Handler): boolean {
  const waited = (node: Node) =>
    (node.kind === 'name' || node.kind === 'attribute') && /Interrupt|Empty|Time_?out|Blocking/i.test(node.name);
  if (type && some(type, waited)) return false;
  return !body.some((node) => some(node, (one) => changesSomething(one, name)));
}

/** Leaves the loop, or does something after which the next attempt is another one. */
function changesSomething(node: Node, error: string | null): boolean {
  return (
    node.kind === 'raise' ||
    node.kind === 'return' ||
    (node.kind === 'jump' && node.form === 'break') ||
    (node.kind === 'call' && !reports(node, error))
  );
}

/** Says what happened, to whomever. */
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
