import { advice, at } from '../claims.ts';
import { calleeName, receiver, rootOf } from '../expressions.ts';
import type { Call } from '../ir.ts';
import { decoratorOf, type FunctionInfo, ownMethod, type SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import type { LanguageName } from '../syntax.ts';
import { isContainerMutator } from '../vocabulary.ts';

const AUTHORISES =
  /^_?#?(authori[sz]e\w*|enforce\w*|check_(policy|permission|access|owner|auth|rights)\w*|require|require\w*?(role|right|perm|admin|auth|login|polic|owner|scope|access|project|tenant|member)\w*|assert(Can|Allowed|Owner)\w*|can|is_allowed|ensure(Allowed|Can|_allowed|_can)\w*|check(Access|Permission|Policy|Owner)\w*|has_permission|verify_(owner|access)\w*)$/;
const DECORATORS =
  /(login_required|require_\w+|requires_\w+|authori[sz]ed|permission_required|policy|enforce|auth_required|admin_required)$/i;
const WRITES = /^_?#?(create|add|delete|remove|update|set|put|post|patch|save|insert|revoke|reset|apply|destroy|purge|clear)/i;

export const missingAuthorisation: SourceRule = {
  id: 'missing-authorisation',
  cwe: 862,
  severity: 'high',
  hint: /authori|enforce|polic|permission|access|require|allow|\bcan\(|rights|owner|admin|login/i,
  title: 'a handler without the authorisation check that its siblings make',
  why: "The handlers around it check the caller's rights before they act. This one acts for every caller that can reach it.",
  remedy: 'Check first, as the other handlers do. Better, check in one place that all handlers pass.',
  checks: 'handlers without a check, in classes and modules whose other handlers check rights',
  check(module, report) {
    for (const group of groups(module)) {
      const asking = group
        .filter((fn) => !isPrivate(fn))
        .flatMap((fn) => {
          const check = asksIn(fn);
          return check ? [{ fn, check }] : [];
        });
      if (asking.length < 2) continue;
      for (const fn of group) {
        const write = asking.some((one) => one.fn === fn) || isPrivate(fn) ? null : writes(module.language, fn);
        const siblings = asking.filter((one) => one.fn.params[0] === fn.params[0]);
        if (
          !write ||
          siblings.length < 2 ||
          !areCustom(
            module.language,
            group,
            siblings.map((one) => one.fn),
          ) ||
          delegates(
            fn,
            asking.map((one) => one.fn),
          )
        )
          continue;
        report({
          line: fn.node.line,
          endLine: fn.node.endLine,
          symbol: fn.symbol,
          claim: `\`${fn.name}\` makes a change without an authorisation check of \`${fn.params[0]}\`, unlike ${siblings
            .slice(0, 3)
            .map((one) => `\`${one.fn.name}\``)
            .join(', ')}`,
          evidence: [
            at(module, write, 'the change, with no check before it'),
            ...siblings.slice(0, 3).map(({ fn: sibling, check }) => at(module, check, `\`${sibling.name}\` checks`)),
          ],
          solution: advice(`Begin with the same check: \`${module.brief((siblings[0] as (typeof siblings)[number]).check, 70)}\`.`),
          severity: 'high',
          confidence: 'likely',
        });
      }
    }
  },
};

/** Whether at least half of the functions that change something check rights: only then is the missing check an exception. */
function areCustom(language: LanguageName, group: readonly FunctionInfo[], asking: readonly FunctionInfo[]): boolean {
  const writers = group.filter((fn) => !isPrivate(fn) && writes(language, fn) !== null);
  const careful = writers.filter((fn) => asking.includes(fn)).length;
  return careful >= 1 && careful * 2 >= writers.length;
}

/** Functions with the same kind of caller: the methods of a class, or the exported functions of a module. */
function groups(module: SourceModule): FunctionInfo[][] {
  const ofClasses = [...module.classes.values()].map((cls) => [...cls.methods.values()]);
  const ofModule = module.functions.filter(
    (fn) => fn !== module.top && fn.cls === null && fn.outer === null && fn.name !== null && fn.node.exported,
  );
  return [...ofClasses, ofModule].map((group) => group.filter((fn) => fn.params.length > 0 && isCaller(fn.params[0] as string)));
}

/** Whether a first parameter identifies the caller. */
function isCaller(name: string): boolean {
  return /^(context|ctx|ctxt|request|req|principal|caller|user|session|actor|identity)$/.test(name);
}

function isPrivate(fn: FunctionInfo): boolean {
  return /^[_#]/.test(fn.name ?? '') || fn.name === 'constructor';
}

function asksIn(fn: FunctionInfo) {
  const decorator = decoratorOf(fn, DECORATORS);
  if (decorator) return decorator;
  const [caller] = fn.params;
  return fn.deep('call').find((call) => AUTHORISES.test(calleeName(call) ?? '') && speaksOf(call, caller as string)) ?? null;
}

function speaksOf(call: Call, caller: string): boolean {
  return call.args.some((argument) => rootOf(argument) === caller) || rootOf(receiver(call)) === caller;
}

/** The change that a function makes, if its name and its body both indicate one. */
function writes(language: LanguageName, fn: FunctionInfo): Call | null {
  if (!WRITES.test(fn.name ?? '')) return null;
  return fn.deep('call').find((call) => WRITES.test(calleeName(call) ?? '') || isContainerMutator(language, calleeName(call))) ?? null;
}

/** Whether a function calls one that checks. */
function delegates(fn: FunctionInfo, asking: readonly FunctionInfo[]): boolean {
  return fn.deep('call').some((call) => {
    const own = ownMethod(call, fn.cls);
    if (own) return asking.includes(own) || asksSomehow(own);
    return call.callee.kind === 'name' && asking.some(({ name }) => name === (call.callee as { name: string }).name);
  });
}

/** Whether a function checks the rights of any of its parameters. */
function asksSomehow(fn: FunctionInfo): boolean {
  return fn
    .deep('call')
    .some(
      (call) => AUTHORISES.test(calleeName(call) ?? '') && fn.params.some((parameter) => isCaller(parameter) && speaksOf(call, parameter)),
    );
}
