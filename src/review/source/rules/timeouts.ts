import { lookUp } from '../../../model/look-up.ts';
import { bindingsOf, localValue } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { calleeName, keyword, pathOf, receiver, rootOf, selfAttribute } from '../expressions.ts';
import type { Call, Expr } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

const NEEDS_TIMEOUT =
  /^(requests\.(get|post|put|patch|delete|head|options|request)|urllib\.request\.urlopen|urlopen|socket\.create_connection|http\.client\.HTTPS?Connection|smtplib\.SMTP(_SSL)?|ftplib\.FTP(_TLS)?|telnetlib\.Telnet)$/;
/** Position of the time-out among the positional arguments, from 0. */
const POSITION: Readonly<Record<string, number>> = { 'socket.create_connection': 1, 'urllib.request.urlopen': 2, urlopen: 2 };

export const missingTimeout: SourceRule = {
  id: 'missing-timeout',
  cwe: 1088,
  severity: 'medium',
  hint: /requests|urlopen|create_connection|HTTPS?Connection|SMTP|FTP|Telnet|fetch\(/,
  title: 'a call over the network without a time-out',
  why: 'If the peer does not answer, the call waits for ever, or five minutes with `fetch` of Node. Everything that depends on it waits too: a thread, a lock, a queue.',
  remedy: 'Set a time-out, and handle the error.',
  checks: 'calls that open connections or send requests',
  check(module, report) {
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        const path = pathOf(call.callee) ?? '';
        const open = module.language === 'python' ? lacksTimeout(module, fn, call) : lacksSignal(module, call, path);
        if (!open) continue;
        report({
          ...place(call, fn),
          claim:
            module.language === 'python'
              ? `\`${path}\` waits for ever if the peer does not answer`
              : `\`${path}\` waits for five minutes, Node's own limit, if the peer does not answer`,
          evidence: [at(module, call, open)],
          solution: advice(
            module.language === 'python' ? 'Pass `timeout=` with a number of seconds.' : 'Pass `signal: AbortSignal.timeout(ms)`.',
          ),
          severity: module.language === 'python' ? 'medium' : 'low',
          confidence: 'certain',
        });
      }
    }
  },
};

/** `session.get(…)` on a session of requests that this function, or its class, creates. */
function isOfSession(fn: FunctionInfo, call: Call): boolean {
  const method = call.callee.kind === 'name' ? methodOf(fn, call.callee) : null;
  if (!method && !/^(get|post|put|patch|delete|head|options|request)$/.test(calleeName(call) ?? '')) return false;
  const on = method ?? receiver(call);
  const attribute = selfAttribute(on);
  if (attribute !== null) return /^requests\.[sS]ession$/.test(fn.cls?.madeBy(attribute) ?? '');
  if (on?.kind !== 'name') return false;
  const made = bindingsOf(fn, on.name);
  return made.length === 1 && made[0]?.value?.kind === 'call' && /^requests\.[sS]ession$/.test(pathOf(made[0].value.callee) ?? '');
}

/** The object whose method a local name holds: `send = getattr(session, verb)`; null: the name holds something else. */
function methodOf(fn: FunctionInfo, name: Expr & { kind: 'name'; name: string }): Expr | null {
  const value = localValue(fn, name);
  return value?.kind === 'call' && pathOf(value.callee) === 'getattr' ? (value.args[0] ?? null) : null;
}

/** Whether a call passes on arguments that other lines gather, in a file that speaks of a time-out. */
function mayPassTimeout(module: SourceModule, call: Call): boolean {
  return call.args.some(({ kind }) => kind === 'other') && (call.callee.kind !== 'name' || module.occurrences('timeout', 1) > 0);
}

function lacksTimeout(module: SourceModule, fn: FunctionInfo, call: Call): string | null {
  const path = pathOf(call.callee) ?? '';
  const isKnown = NEEDS_TIMEOUT.test(path) && module.imports.has(rootOf(call.callee) ?? '');
  if (!isKnown && !isOfSession(fn, call)) return null;
  if (keyword(call, 'timeout') || call.args.length > (lookUp(POSITION, path) ?? Number.POSITIVE_INFINITY)) return null;
  // Without a host the constructor does not connect: `connect` takes the time-out.
  if (/(SMTP(_SSL)?|FTP(_TLS)?|Telnet)$/.test(path) && call.args.length === 0 && call.keywords.length === 0) return null;
  if (mayPassTimeout(module, call) || setsDefault(module)) return null;
  return 'no `timeout`, and there is no default';
}

function setsDefault(module: SourceModule): boolean {
  return (
    module.lines.text.includes('setdefaulttimeout') &&
    module.functions.some((fn) => fn.of('call').some((one) => pathOf(one.callee) === 'socket.setdefaulttimeout'))
  );
}

function lacksSignal(module: SourceModule, call: Call, path: string): string | null {
  if (path !== 'fetch' || isNamedHere(module, 'fetch')) return null;
  const [, options] = call.args;
  if (options === undefined) return 'no options, so no `signal`';
  if (options.kind !== 'dict' || options.entries.some(({ key }) => key === null || (key.kind === 'text' && key.value === 'signal')))
    return null;
  return 'options without a `signal`';
}

/** Whether this file gives the name another meaning. */
function isNamedHere(module: SourceModule, name: string): boolean {
  if (module.imports.has(name)) return true;
  return module.functions.some((fn) => fn.name === name || fn.params.includes(name) || bindingsOf(fn, name).length > 0);
}
