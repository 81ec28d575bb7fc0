import { CATALOGUE, KERNEL_HELPERS } from '../../../model/catalogue.ts';
import { evaluate } from '../evaluate.ts';
import { CONNTRACK_PRIORITY, type Rule } from '../model.ts';
import { at, brief, list, placeOf, type RulesetRule } from '../rule.ts';
import { type Assignment, kernelHelper, portText, type RulesetView, takesEffect } from '../view.ts';

/** Each assignment once, however many ways lead to its rule. */
function distinct(view: RulesetView): readonly Assignment[] {
  return view.memo('distinct', () => distinctOf(view));
}

function distinctOf(view: RulesetView): Assignment[] {
  const seen = new Set<string>();
  return view.assignments.filter(({ type, line, ports, text, place }) => {
    const key = `${type} ${line} ${JSON.stringify(ports)} ${text} ${place ? view.symbol(place.chain, place.rule) : ''}`;
    return !seen.has(key) && seen.add(key);
  });
}

export const helperUnscoped: RulesetRule = {
  id: 'helper-unscoped',
  cwe: 668,
  severity: 'low',
  title: 'a helper for connections from anywhere to anywhere',
  why: 'The helper reads along on every connection to the port, whoever makes it and wherever to: also those of hosts that were never meant to have connections opened to them.',
  remedy: 'Name the clients or servers that need it: `ip saddr`, `ip daddr`, `iifname`.',
  checks: 'what assignments are narrowed by',
  check(view, report) {
    for (const assignment of distinct(view)) {
      if (
        assignment.source ||
        assignment.destination ||
        !takesEffect(assignment) ||
        assignment.place?.base.hook === 'output' ||
        !kernelHelper(assignment)
      )
        continue;
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} is assigned on ${portText(assignment)} whatever the connection's source, destination and interface`,
        evidence: [at(assignment, 'no address and no interface on the way to it'), ...pathOf(assignment)],
        solution: {
          text: 'Put the clients (`ip saddr 192.0.2.0/24`), the servers (`ip daddr`) or the interface (`iifname "lan0"`) before it.',
          diff: null,
        },
        severity: 'low',
        confidence: 'certain',
      });
    }
  },
};

function pathOf({ place }: Assignment) {
  return (place?.path ?? []).map((rule: Rule) => ({ line: rule.line, fact: `reached by: ${brief(rule.text)}` }));
}

/** Who can be made to send something through a client's browser: the class of NAT slipstreaming (2020, 2021). */
const SLIPSTREAM: Readonly<Record<string, string>> = {
  irc: 'a form that a page posts to port 6667 with a `DCC` line in it opens a port of the client to anybody',
  sip: 'a packet that a page makes the browser send, cut so that a REGISTER begins it, opens the port that it names',
  RAS: 'a registration names the port that is opened',
  'Q.931': 'a set-up message that a page makes the browser send opens the port that it names',
};

export const slipstreamingExposure: RulesetRule = {
  id: 'slipstreaming-exposure',
  cwe: 441,
  severity: 'medium',
  title: 'irc, sip or h323 for connections from any client',
  why: 'A web page can make the browser of somebody behind the router send what the helper takes for its protocol. The helper then opens a port of that client to the outside: NAT slipstreaming.',
  remedy: 'Assign it to the clients that speak the protocol, and hold what it opens to high ports and a rate.',
  checks: 'sources of irc, sip and h323 assignments',
  check(view, report) {
    for (const assignment of distinct(view)) {
      const how = SLIPSTREAM[assignment.type];
      if (!how || assignment.source || !kernelHelper(assignment) || !takesEffect(assignment) || assignment.place?.base.hook === 'output')
        continue;
      const isHeld = holdsLowPorts(view, assignment);
      report({
        ...placeOf(view, assignment),
        claim: `any client whose browser opens a page can be made to open a port through ${assignment.type} on ${portText(assignment)}`,
        evidence: [
          at(assignment, 'no source address and no interface narrows it'),
          { line: null, fact: how },
          ...(isHeld ? [{ line: null, fact: 'what it opens to ports below 1024 is dropped: a high port remains' }] : []),
        ],
        solution: { text: `Name the clients that speak ${assignment.type} with \`ip saddr\` or \`iifname\`.`, diff: null },
        severity: isHeld ? 'low' : 'medium',
        confidence: 'certain',
      });
    }
  },
};

function holdsLowPorts(view: RulesetView, { type, families, protocol }: Assignment): boolean {
  return view.memo(`low ${type} ${families} ${protocol}`, () =>
    families.every(
      (family) =>
        evaluate(view, { family, hook: 'forward', state: 'related', helper: type, protocol: protocol ?? 'tcp', port: 22 }).verdict ===
        'drop',
    ),
  );
}

/** TCP ports whose protocol is another: what a helper reads there is not meant for it. */
const OTHERS: Readonly<Record<number, string>> = {
  22: 'ssh',
  25: 'smtp',
  53: 'dns',
  80: 'http',
  443: 'https',
  853: 'dns over TLS',
  990: 'ftp over TLS, which no helper can read',
  993: 'imaps',
  5061: 'sip over TLS, which no helper can read',
  6697: 'irc over TLS, which no helper can read',
};

export const helperPortMismatch: RulesetRule = {
  id: 'helper-port-mismatch',
  cwe: 684,
  severity: 'medium',
  title: 'a helper on a protocol or port that makes no sense',
  why: 'The helper is never attached, or reads a protocol that is not its own: at best it does nothing, at worst what it takes for an announcement opens a port.',
  remedy: "Assign it on the protocol's own port.",
  checks: 'protocols and ports of assignments',
  check(view, report) {
    for (const assignment of distinct(view)) {
      const problem = mismatch(assignment);
      if (!problem) continue;
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} on ${portText(assignment)}: ${problem.what}`,
        evidence: [at(assignment, 'assigned here'), { line: null, fact: problem.fact }],
        solution: { text: problem.cure, diff: null },
        severity: 'medium',
        confidence: 'certain',
      });
    }
  },
};

function mismatch(assignment: Assignment): { what: string; fact: string; cure: string } | null {
  const { type, protocol, ports, place } = assignment;
  const object = place?.objectProtocol ?? null;
  const usual = usualPort(type, object ?? protocol);
  if (object !== null && protocol !== null && object !== protocol && kernelHelper({ type, protocol: object })) {
    return {
      what: `the object is for ${object}, so it is never attached`,
      fact: `its object says protocol ${object}`,
      cure: `Match \`${object} dport ${usual ?? ''}\`.`,
    };
  }
  if (!kernelHelper(assignment)) return null;
  if (ports === null && protocol !== null && place) {
    return {
      what: 'no port narrows it, so it reads every connection of that protocol',
      fact: 'no `dport` on the way to it',
      cure: `Match \`${protocol} dport ${usual ?? ''}\`.`,
    };
  }
  for (const [from, to] of ports ?? []) {
    const foreign = protocol === 'udp' ? undefined : Object.entries(OTHERS).find(([port]) => Number(port) >= from && Number(port) <= to);
    if (foreign)
      return {
        what: `port ${foreign[0]} is ${foreign[1]}`,
        fact: `${type} listens on ${usual ?? 'another port'}`,
        cure: `Assign it on port ${usual ?? 'of its own'}.`,
      };
    const other = from === to ? ownerOfPort(from, protocol) : null;
    if (other !== null && other !== type)
      return {
        what: `port ${from} is that of ${other}`,
        fact: `the usual port of ${type} is ${usual}`,
        cure: `Assign ${other} there, or ${type} on port ${usual}.`,
      };
  }
  return null;
}

function usualPort(type: string, protocol: string | null): number | null {
  for (const { protocols } of CATALOGUE) {
    for (const [name, entry] of Object.entries(protocols))
      if (entry.kernel?.type === type && (protocol === null || name === protocol)) return entry.port;
  }
  return null;
}

function ownerOfPort(port: number, protocol: string | null): string | null {
  for (const { protocols } of CATALOGUE) {
    for (const [name, entry] of Object.entries(protocols))
      if (entry.port === port && entry.kernel && (protocol === null || name === protocol)) return entry.kernel.type;
  }
  return null;
}

export const unknownHelper: RulesetRule = {
  id: 'unknown-helper',
  cwe: 573,
  severity: 'medium',
  title: 'a helper that no kernel has',
  why: 'The kernel refuses the name: the transaction that carries it fails as a whole, and with it every rule that was loaded together with this one.',
  remedy: "Use the kernel's name: RAS and Q.931 for h323, amanda on udp.",
  checks: 'types and protocols of helpers against those that Linux 6.18 registers',
  check(view, report) {
    const objects = view.ruleset.helpers.map(({ type, protocol, line, name, family, table }) => ({
      type,
      protocol,
      line,
      symbol: `${family} ${table} ct helper ${name}`,
      text: `ct helper ${name} { type "${type}" protocol ${protocol}; }`,
    }));
    const direct = distinct(view)
      .filter(({ place }) => place === null || place.objectProtocol === null)
      .map(({ type, protocol, line, text, place }) => ({
        type,
        protocol,
        line,
        symbol: place ? view.symbol(place.chain, place.rule) : null,
        text,
      }));
    for (const { type, protocol, line, symbol, text } of [...objects, ...direct]) {
      if (type === '' || kernelHelper({ type, protocol })) continue;
      const known = KERNEL_HELPERS.filter(
        (helper) =>
          helper.type === type ||
          helper.type.toLowerCase() === type.toLowerCase() ||
          (/^h\.?323$/i.test(type) && /^(RAS|Q\.931)$/.test(helper.type)),
      );
      const right = known.map((helper) => `${helper.type}/${helper.protocol}`);
      report({
        line,
        endLine: line,
        symbol,
        claim: `no kernel has a helper ${type}${protocol === null ? '' : ` for ${protocol}`}`,
        evidence: [
          { line, fact: brief(text) },
          {
            line: null,
            fact:
              right.length > 0 ? `the kernel has ${list(right)}` : `the kernel has ${list(KERNEL_HELPERS.map((helper) => helper.type))}`,
          },
        ],
        solution: { text: right.length > 0 ? `Write ${list(right)}.` : 'Remove it.', diff: null },
        severity: 'medium',
        confidence: 'certain',
      });
    }
  },
};

export const ipv4OnlyInV6: RulesetRule = {
  id: 'ipv4-only-in-v6',
  cwe: 573,
  severity: 'low',
  title: 'a helper of IPv4 for IPv6 connections',
  why: 'irc, pptp, snmp and netbios-ns are there for IPv4 alone. The kernel refuses one in an ip6 table, with everything that is loaded together with it, and passes IPv6 connections by elsewhere: the service works over one family only.',
  remedy: 'Say `l3proto ip`, so that the ruleset reads as it works.',
  checks: 'families of irc, pptp, snmp and netbios-ns',
  check(view, report) {
    for (const assignment of distinct(view)) {
      const helper = kernelHelper(assignment);
      const { place } = assignment;
      if (!helper || helper.families.includes('ipv6') || !assignment.families.includes('ipv6')) continue;
      const refused = place?.chain.family === 'ip6' || place?.l3proto === 'ip6';
      report({
        ...placeOf(view, assignment),
        claim: refused
          ? `${assignment.type} exists for IPv4 only: the kernel refuses it here`
          : `${assignment.type} exists for IPv4 only: IPv6 connections to ${portText(assignment)} get no helper`,
        evidence: [
          at(assignment, 'assigned for IPv6 too'),
          { line: null, fact: `Linux registers ${assignment.type} for IPv4 (nf_conntrack_${assignment.type.replace('-', '_')})` },
        ],
        solution: { text: refused ? 'Remove it.' : 'Declare the object with `l3proto ip`.', diff: null },
        severity: refused ? 'medium' : 'low',
        confidence: 'certain',
      });
    }
  },
};

export const wrongPriority: RulesetRule = {
  id: 'wrong-priority',
  cwe: 696,
  severity: 'medium',
  title: 'a helper assigned before conntrack has seen the packet',
  why: 'nft sets a helper on a connection, and at this priority there is none yet: the rule runs and assigns nothing. At -200 exactly it depends on which of the two was registered first.',
  remedy: 'Use priority mangle (-150).',
  checks: 'priorities of chains that assign helpers',
  check(view, report) {
    for (const assignment of distinct(view)) {
      const { place } = assignment;
      if (!place || place.l3proto === null || place.base.priority > CONNTRACK_PRIORITY) continue;
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} is set at priority ${place.base.priority}, ${place.base.priority === CONNTRACK_PRIORITY ? 'where it depends on the order of registration whether there is a connection yet' : 'before there is a connection to set it on'}`,
        evidence: [
          at(assignment, 'assigned here'),
          {
            line: place.baseChain.line,
            fact: `${view.symbol(place.baseChain)}: hook ${place.base.hook}, priority ${place.base.priority}; conntrack works at ${CONNTRACK_PRIORITY}`,
          },
        ],
        solution: { text: 'Give the chain `priority mangle`.', diff: null },
        severity: 'medium',
        confidence: 'certain',
      });
    }
  },
};

export const shadowedAssignment: RulesetRule = {
  id: 'shadowed-assignment',
  cwe: 561,
  severity: 'medium',
  title: 'a helper that another one is there before',
  why: 'A connection has one helper, and the first that is set stays. The other rule runs and does nothing: whoever wrote it believes that its protocol works.',
  remedy: 'Remove one of the two.',
  checks: 'assignments that meet on one port, in the order of hooks and priorities',
  check(view, report) {
    const all = distinct(view).filter((one) => one.place !== null && takesEffect(one) && kernelHelper(one));
    const order = (one: Assignment) => one.place?.base.priority ?? 0;
    const byPort = new Map<string, Assignment[]>();
    for (const one of all) {
      for (const [from, to] of one.ports ?? []) if (from === to) addTo(byPort, `${one.protocol} ${from}`, one);
    }
    for (const group of byPort.values()) {
      const sorted = [...group].sort((a, b) => order(a) - order(b));
      const [winner] = sorted;
      if (!winner || winner.source || winner.destination) continue;
      for (const loser of sorted.slice(1)) {
        const same =
          loser.place?.base.hook === winner.place?.base.hook &&
          loser.families.every((family) => winner.families.includes(family) && kernelHelper(winner)?.families.includes(family));
        if (!same || loser.type === winner.type || loser.families.length === 0) continue;
        report({
          ...placeOf(view, loser),
          claim: `${loser.type} on ${portText(loser)} never takes effect: ${winner.type} is set before`,
          evidence: [
            { line: winner.line, fact: `first, at priority ${order(winner)}: ${brief(winner.text)}` },
            { line: loser.line, fact: `then, at priority ${order(loser)}: ${brief(loser.text)}` },
            { line: null, fact: 'a helper that is set on a connection stays (net/netfilter/nft_ct.c)' },
          ],
          solution: { text: `Remove one of the two rules on ${portText(loser)}.`, diff: null },
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

function addTo<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const group = groups.get(key);
  if (group) group.push(item);
  else groups.set(key, [item]);
}

export const snmpForwarded: RulesetRule = {
  id: 'snmp-forwarded',
  cwe: 436,
  severity: 'medium',
  title: 'the snmp helper on forwarded NAT traffic',
  why: 'The helper rewrites addresses inside SNMPv1 and v2c packets as it understands them; what it cannot parse, SNMPv3 and some traps, is dropped. Monitoring across the router fails without a word.',
  remedy: 'Assign snmp in the output hook only, for broadcasts of the router itself.',
  checks: 'hooks of snmp assignments in rulesets with NAT',
  check(view, report) {
    for (const assignment of distinct(view)) {
      if (assignment.type !== 'snmp' || assignment.place?.base.hook !== 'prerouting' || !view.hasNat) continue;
      const nat = view.ruleset.chains.flatMap(({ rules }) => rules).find(({ action }) => action?.kind === 'nat') as Rule;
      report({
        ...placeOf(view, assignment),
        claim: 'snmp on forwarded traffic with NAT: SNMPv3 and v1 traps are dropped',
        evidence: [
          at(assignment, 'assigned to connections that come in'),
          { line: nat.line, fact: `and addresses are translated: ${brief(nat.text)}` },
          { line: null, fact: 'nf_nat_snmp_basic drops what it cannot decode' },
        ],
        solution: { text: 'Move it to a chain at hook output.', diff: null },
        severity: 'medium',
        confidence: 'certain',
      });
    }
  },
};
