import { advice, at, place } from '../claims.ts';
import { calleeName, flatTargets, mentions, pathOf, receiver, rootOf, selfAttribute } from '../expressions.ts';
import { enclosing, finalizerAround, guardingTry } from '../flow.ts';
import type { Call, Expr, Node } from '../ir.ts';
import { type FunctionInfo, ownMethod } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import type { LanguageName } from '../syntax.ts';
import { isContainerMutator } from '../vocabulary.ts';
import { marksLeft } from './marks-left.ts';

const APPLY = /^(apply|restore|install|program|reload|sync|flush_rules|commit)$/;
const CHANGES = /^(add|remove|clear|set|delete|del|append|insert|update|replace|empty|ensure)(_|[A-Z]|$)/;
/** Objects that collect changes. Their owner discards them when the transaction fails. */
const TRANSACTIONS = /(session|cursor|conn|connection|db|database|transaction|trx|txn|tx|batch|builder|repo|git)$/i;
/** Tables of pending operations, which have to be filled before the operation starts. */
const WAITING = /pending|waiting|waiter|inflight|in_flight|queue|callback|listener|request|timer/i;
const FALLIBLE = /^(apply|restore|install|check_call|check_output|execute|commit|program|writeFile|writeFileSync|save)$/;

/** Methods that take effect on a system, if the receiver is one of `SYSTEMS`. */
const WRITES = /^(write|send|push|set|replace|update|add|remove|delete|flush)/;
const SYSTEMS = /(kernel|backend|driver|firewall|nft|nftables|netlink|iptables|ipset|dataplane|ovs|hardware)$/i;

export const stateBeforeApply: SourceRule = {
  id: 'state-before-apply',
  cwe: 460,
  severity: 'high',
  hint: /\.add\(|apply|restore|install|program|reload|sync|flush_rules|commit|check_call|check_output|execute|writeFile|save|kernel|backend|driver|firewall|nft|netlink|iptables|ipset|dataplane|ovs|hardware/i,
  title: 'state in memory that is changed before an operation that can fail',
  why: 'The program records a change in memory, then tries to apply it. If that throws, memory and system differ. The program assumes that the change was made, or tries it again with every later one, so that one bad item makes all later changes fail.',
  remedy: 'Apply first, then record the change. Or revert the change in an `except`, or apply a copy and keep it only after success.',
  checks: 'objects and attributes that are changed and then applied in the same function',
  check(module, report) {
    for (const fn of module.functions) {
      for (const claim of marksLeft(module, fn)) report(claim);
      for (const call of fn.of('call')) {
        if (finalizerAround(call) || rollsBack(call)) continue;
        const change = changedModel(fn, call) ?? changedState(module.language, fn, call);
        if (!change) continue;
        report({
          ...place({ line: change.node.line, endLine: call.endLine }, fn),
          claim: `\`${fn.name ?? 'the module'}\` changes \`${change.path}\` in memory before \`${module.brief(call.callee)}()\`, and nothing reverts the change if that throws`,
          evidence: [
            at(
              module,
              change.node,
              change.via ? `changes \`${change.path}\`, through \`${change.via.name}\`` : `changes \`${change.path}\``,
            ),
            ...(change.via && change.inside ? [at(module, change.inside, `the change in \`${change.via.name}\``)] : []),
            at(module, call, 'can throw, with no `try` and no `finally` around it in this function'),
          ],
          solution: advice(
            `Put \`${module.brief(call.callee)}()\` into a \`try\` that reverts the change on failure. Or change a copy, apply it, and keep it only after success.`,
          ),
          severity: 'high',
          confidence: 'likely',
        });
      }
    }
  },
};

interface Change {
  readonly node: Node;
  readonly path: string;
  readonly via?: FunctionInfo | undefined;
  readonly inside?: Node | undefined;
}

function rollsBack(call: Node): boolean {
  return guardingTry(call) !== null || enclosing(call, 'handler') !== null;
}

/** A change of `X` before `X.apply()`, where X is a parameter or an attribute. */
function changedModel(fn: FunctionInfo, call: Call): Change | null {
  if (!APPLY.test(calleeName(call) ?? '')) return null;
  const path = pathOf(receiver(call));
  const root = rootOf(receiver(call));
  if (path === null || root === null || TRANSACTIONS.test(path)) return null;
  if (path === 'self' || path === 'this' || !(fn.params.includes(root) || /^(self|this)$/.test(root))) return null;
  return firstChange(fn, path, call.start);
}

/**
 * The first change of what a path names, before an offset: through its own methods, or through a method of this class that
 * receives it.
 */
function firstChange(fn: FunctionInfo, path: string, before: number, depth = 0): Change | null {
  for (const call of fn.of('call')) {
    if (call.start >= before) break;
    const on = pathOf(receiver(call));
    const name = calleeName(call) ?? '';
    if (on !== null && (on === path || on.startsWith(`${path}.`) || on.startsWith(`${path}[`)) && CHANGES.test(name))
      return { node: call, path };
    const method = depth < 2 ? ownMethod(call, fn.cls) : null;
    const position = method ? call.args.findIndex((argument) => pathOf(argument) === path) : -1;
    const parameter = method?.params[position];
    const inside = method && parameter !== undefined ? firstChange(method, parameter, Number.POSITIVE_INFINITY, depth + 1) : null;
    if (method && inside && !appliesItself(method, parameter as string)) return { node: call, path, via: method, inside: inside.node };
  }
  return null;
}

/** Whether a method applies what it changes; then it is examined on its own. */
function appliesItself(method: FunctionInfo, parameter: string): boolean {
  return method.of('call').some((call) => APPLY.test(calleeName(call) ?? '') && pathOf(receiver(call)) === parameter);
}

/** A change of `self.rules[id]` before `run(…)`, in the same block. */
function changedState(language: LanguageName, fn: FunctionInfo, call: Call): Change | null {
  const on = pathOf(receiver(call)) ?? '';
  const name = calleeName(call) ?? '';
  if (fn.cls === null || !(FALLIBLE.test(name) || (WRITES.test(name) && SYSTEMS.test(on)))) return null;
  if (TRANSACTIONS.test(on)) return null;
  const block = statementOf(call)?.parent;
  for (const node of [...fn.of('assign'), ...fn.of('call'), ...fn.of('delete')].sort((a, b) => a.start - b.start)) {
    if (node.start >= call.start) break;
    if (statementOf(node)?.parent !== block) continue;
    const attribute = changedAttribute(language, node);
    if (attribute === null || WAITING.test(attribute) || on === `self.${attribute}` || on === `this.${attribute}`) continue;
    return { node, path: `${/^#/.test(attribute) || mentions(node, 'this') ? 'this' : 'self'}.${attribute}` };
  }
  return null;
}

function statementOf(node: Node): Node | null {
  let at: Node | null = node;
  while (at && !['expression', 'assign', 'return', 'delete', 'if', 'loop'].includes(at.kind)) at = at.parent;
  return at;
}

/** The keyed attribute that a node changes: `self.x[k] = …`, `self.x.add(…)`, `del self.x[k]`. */
function changedAttribute(language: LanguageName, node: Node): string | null {
  const indexed = (target: Expr) => (target.kind === 'index' ? selfAttribute(target.object) : null);
  if (node.kind === 'assign')
    return (
      flatTargets(node.targets)
        .map(indexed)
        .find((name) => name !== null) ?? null
    );
  if (node.kind === 'delete') return node.targets.map(indexed).find((name) => name !== null) ?? null;
  if (node.kind === 'call' && isContainerMutator(language, calleeName(node))) return selfAttribute(receiver(node));
  return null;
}
