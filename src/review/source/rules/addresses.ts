import { advice, at, place } from '../claims.ts';
import { boundNames, calleeName, receiver } from '../expressions.ts';
import { guardsAt } from '../flow.ts';
import type { Call, Node } from '../ir.ts';
import type { SourceRule } from '../rule.ts';
import { lastName } from '../vocabulary.ts';

const ADDRESS =
  /(^|_)(addr|address|host|hostport|host_port|endpoint|peer|listen|bind|server|netloc|authority|hostname)$|(Addr|Address|Endpoint|Peer|HostPort|Listen|Authority)$/;

/** Names for the parts, which show that the code expects a host and a port. */
const PART = /(^|_)[rlsd]?port$|[a-z]Port$|host|addr|(^|_)ip|server|netloc|Host|Addr|Server/;

export const addressSplitByColon: SourceRule = {
  id: 'address-split-by-colon',
  cwe: 436,
  severity: 'low',
  hint: /['"]:['"]/,
  title: 'an address split at a colon',
  why: 'An IPv6 address contains colons. Code that splits `host:port` at a colon misreads `[2001:db8::1]:80`, so two programs can understand one address as two different hosts.',
  remedy: 'Use a parser of addresses, such as `urllib.parse` or `URL`.',
  checks: 'addresses that are split at colons',
  check(module, report) {
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        const name = splitAddress(call);
        const takes = name === null ? null : takenApart(call);
        if (name === null || takes === null) continue;
        if (guardsAt(call).some(({ test }) => /\[|v6|ipv6/i.test(module.text(test)))) continue;
        report({
          ...place(call, fn),
          claim: `\`${module.brief(call)}\` splits an IPv6 address in the middle`,
          evidence: [at(module, call, takes)],
          solution: advice(
            module.language === 'python'
              ? "Use `urllib.parse.urlsplit('//' + address)` and its `.hostname` and `.port`."
              : "Use `new URL('tcp://' + address)` and its `.hostname` and `.port`.",
          ),
          severity: 'low',
          confidence: 'likely',
        });
      }
    }
  },
};

/** Name of the address in `address.split(':')`. */
function splitAddress(call: Call): string | null {
  const on = receiver(call);
  const [separator] = call.args;
  if (!/^(split|partition)$/.test(calleeName(call) ?? '') || separator?.kind !== 'text' || separator.value !== ':') return null;
  const name = on && lastName(on);
  return name && ADDRESS.test(name) ? name : null;
}

/** How the parts are used as host and port, by position; null: they are not. */
function takenApart(call: Call): string | null {
  const up: Node | null = call.parent;
  const names = up?.kind === 'assign' && up.targets[0]?.kind === 'collection' ? boundNames(up.targets) : [];
  // `transport, rest` of a D-Bus address is no host and port.
  if (names.some((name) => PART.test(name))) return `split into ${names.map((name) => `\`${name}\``).join(' and ')}`;
  if (up?.kind === 'index' && up.object === call && up.index.kind === 'num')
    return `part ${up.index.value} is used as the ${up.index.value === 0 ? 'host' : 'port'}`;
  return null;
}
