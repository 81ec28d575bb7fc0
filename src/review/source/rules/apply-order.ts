import { advice, at, place } from '../claims.ts';
import { calleeName, flatTargets, mentions, pathOf, receiver, rootOf, selfAttribute } from '../expressions.ts';
import { enclosing, finalizerAround, guardingTry } from '../flow.ts';
import type { Call, Expr, Node } from '../ir.ts';
import { type FunctionInfo, ownMethod } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import type { LanguageName } from '../syntax.ts';
import { isContainerMutator } from '../vocabulary.ts';

const APPLY = /^(apply|restore|install|program|reload|sync|flush_rules|commit)$/;
const CHANGES = /^(add|remove|clear|set|delete|del|append|insert|update|replace|empty|ensure)(_|[A-Z]|$)/;
/** What these collect is undone by whoever owns them when the transaction fails. */
const TRANSACTIONS = /(session|cursor|conn|connection|db|database|transaction|trx|txn|tx|batch|builder|repo|git)$/i;
/** Tables of who waits for what have to be filled first. */
const WAITING = /pending|waiting|waiter|inflight|in_flight|queue|callback|listener|request|timer/i;
const FALLIBLE = /^(apply|restore|install|check_call|check_output|execute|commit|program|writeFile|writeFileSync|save)$/;

/** Of a part of the system, these take effect there. */
const WRITES = /^(write|send|push|set|replace|update|add|remove|delete|flush)/;
const SYSTEMS = /(kernel|backend|driver|firewall|nft|nftables|netlink|iptables|ipset|dataplane|ovs|hardware)$/i;

export const stateBeforeApply: SourceRule = {
  id: 'state-before-apply',
  cwe: 460,
  severity: 'high',
  hint: /apply|restore|install|program|reload|sync|flush_rules|commit|check_call|check_output|execute|writeFile|save|kernel|backend|driver|firewall|nft|netlink|iptables|ipset|dataplane|ovs|hardware/i,
  title: 'a model in memory that is changed before the operation that can fail',
  why: 'The program writes down a change, then tries to make it. When that throws, memory says what the system does not: the change is believed to be there, or, worse, is tried again with every later one, so that one bad item poisons all that follow.',
  remedy:
    'Apply first and write down what was applied; or take the change back in an `except`, or build the new state aside and keep it only when it was applied.',
  checks: 'objects and attributes that are changed and then applied in the same function',
  check(module, report) {
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        if (finalizerAround(call) || rollsBack(call)) continue;
        const change = changedModel(fn, call) ?? changedState(module.language, fn, call);
        if (!change) continue;
        report({
          ...place({ line: change.node.line, endLine: call.endLine }, fn),
          claim: `\`${fn.name ?? 'the module'}\` changes \`${change.path}\` in memory before \`${module.brief(call.callee)}()\`, and nothing takes the change back when that throws`,
          evidence: [
            at(
              module,
              change.node,
              change.via ? `changes \`${change.path}\`, through \`${change.via.name}\`` : `changes \`${change.path}\``,
            ),
            ...(change.via && change.inside ? [at(module, change.inside, `what \`${change.via.name}\` does to it`)] : []),
            at(module, call, 'can throw, with no `try` and no `finally` around it in this function'),
          ],
          solution: advice(
            `Put \`${module.brief(call.callee)}()\` into a \`try\` that takes the change back when it fails; or change a copy, apply that, and keep it only then.`,
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

/** `X.add_rule(…)` … `X.apply()`, with X a parameter or an attribute. */
function changedModel(fn: FunctionInfo, call: Call): Change | null {
  if (!APPLY.test(calleeName(call) ?? '')) return null;
  const path = pathOf(receiver(call));
  const root = rootOf(receiver(call));
  if (path === null || root === null || TRANSACTIONS.test(path)) return null;
  if (path === 'self' || path === 'this' || !(fn.params.includes(root) || /^(self|this)$/.test(root))) return null;
  return firstChange(fn, path, call.start);
}

/** The first change before an offset of what a path names: by its own methods, or by a method of this class that it is handed to. */
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

/** One that applies what it changes answers for itself. */
function appliesItself(method: FunctionInfo, parameter: string): boolean {
  return method.of('call').some((call) => APPLY.test(calleeName(call) ?? '') && pathOf(receiver(call)) === parameter);
}

/** `self.rules[id] = rule` … `run(…)`, in one block. */
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

/** The keyed state of the object that a node changes: `self.x[k] = …`, `self.x.add(…)`, `del self.x[k]`. */
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
