import { CATALOGUE, KERNEL_HELPERS } from '../../../model/catalogue.ts';
import { brief, list } from '../../words.ts';
import { at, placeOf, type RulesetRule } from '../rule.ts';
import { type Assignment, kernelHelper, portText } from '../view.ts';

/** TCP ports of protocols that have no helper, or that encrypt their control connection. */
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
  title: 'a helper on a protocol or port that does not fit',
  why: 'The helper is never attached, or it parses a protocol that is not its own. At best it has no effect; at worst it opens a port because it mistakes data for an announcement.',
  remedy: "Assign it on the protocol's own port.",
  checks: 'protocols and ports of assignments',
  check(view, report) {
    for (const assignment of view.distinct) {
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

/** What does not fit; null: nothing. */
function mismatch(assignment: Assignment): { what: string; fact: string; cure: string } | null {
  const { type, protocol, ports, place } = assignment;
  const object = place?.objectProtocol ?? null;
  const usual = usualPort(type, object ?? protocol);
  if (object !== null && protocol !== null && object !== protocol && kernelHelper({ type, protocol: object })) {
    return {
      what: `the object is for ${object}, so the kernel never attaches it`,
      fact: `the object has protocol ${object}`,
      cure: `Match \`${object} dport ${usual ?? ''}\`.`,
    };
  }
  if (!kernelHelper(assignment)) return null;
  if (ports === null && protocol !== null && place && !place.matches.some(({ key }) => key === 'dport' || key === 'other')) {
    return {
      what: 'no port restricts it, so it parses every connection of that protocol',
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
        what: `port ${from} is the usual port of ${other}`,
        fact: `the usual port of ${type} is ${usual}`,
        cure: `Assign ${other} there, or ${type} on port ${usual}.`,
      };
  }
  return null;
}

/** Usual ports of the kernel's helpers. */
const USUAL = CATALOGUE.flatMap(({ protocols }) =>
  Object.entries(protocols).flatMap(([protocol, { port, kernel }]) => (kernel ? [{ protocol, port, type: kernel.type }] : [])),
);

function usualPort(type: string, protocol: string | null): number | null {
  return USUAL.find((one) => one.type === type && (protocol === null || one.protocol === protocol))?.port ?? null;
}

function ownerOfPort(port: number, protocol: string | null): string | null {
  return USUAL.find((one) => one.port === port && (protocol === null || one.protocol === protocol))?.type ?? null;
}

export const unknownHelper: RulesetRule = {
  id: 'unknown-helper',
  cwe: 573,
  severity: 'medium',
  title: 'a helper that no kernel has',
  why: 'The kernel refuses the name. The whole transaction fails, so none of the rules that are loaded together with this one take effect.',
  remedy: "Use the kernel's name: RAS and Q.931 instead of h323, amanda on udp.",
  checks: 'types and protocols of helpers, compared with those that Linux 6.18 registers',
  check(view, report) {
    const objects = view.ruleset.helpers.map(({ type, protocol, line, name, family, table }) => ({
      type,
      protocol,
      line,
      symbol: `${family} ${table} ct helper ${name}`,
      text: `ct helper ${name} { type "${type}" protocol ${protocol}; }`,
    }));
    const direct = view.distinct
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
  title: 'an IPv4-only helper for IPv6 connections',
  why: 'The kernel has irc, pptp, snmp and netbios-ns for IPv4 only. In an ip6 table it refuses such a helper, together with all rules that are loaded with it. In an inet table it ignores the helper for IPv6 connections, so the protocol works over IPv4 only.',
  remedy: 'Declare the object with `l3proto ip`, so that the ruleset states what the kernel does.',
  checks: 'families of irc, pptp, snmp and netbios-ns',
  check(view, report) {
    for (const assignment of view.distinct) {
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
