import { grouped } from '../../../model/grouped.ts';
import type { Claim } from '../../finding.ts';
import { brief } from '../../words.ts';
import { CONNTRACK_PRIORITY, type Rule } from '../model.ts';
import type { Stop } from '../reach.ts';
import { at, placeOf, type RulesetRule } from '../rule.ts';
import { type Assignment, isBeforeConntrack, kernelHelper, portText, type RulesetView, takesEffect } from '../view.ts';

export const wrongPriority: RulesetRule = {
  id: 'wrong-priority',
  cwe: 696,
  severity: 'medium',
  title: 'a helper assigned before conntrack has seen the packet',
  why: 'nft sets a helper on a connection, and at this priority the packet has none yet: the rule runs without an effect. At exactly -200 the result depends on whether conntrack or the chain was registered first.',
  remedy: 'Use priority mangle (-150).',
  checks: 'priorities of chains that assign helpers',
  check(view, report) {
    for (const assignment of view.distinct) {
      const { place } = assignment;
      if (!isBeforeConntrack(place)) continue;
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} is set at priority ${place.base.priority}, ${place.base.priority === CONNTRACK_PRIORITY ? 'where the order of registration decides whether the packet has a connection yet' : 'before the packet has a connection'}`,
        evidence: [
          at(assignment, 'assigned here'),
          {
            line: place.baseChain.line,
            fact: `${view.symbol(place.baseChain)}: hook ${place.base.hook}, priority ${place.base.priority}; conntrack runs at ${CONNTRACK_PRIORITY}`,
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
  title: 'a helper assignment that an earlier rule makes ineffective',
  why: 'A connection keeps the first helper that is set on it, and a packet that an earlier rule accepts, drops or sends to another chain never reaches the assignment. The rule has no effect: the protocol does not work, although the ruleset says that it does.',
  remedy: 'Move the assignment before the rule that takes its packets, or remove one of the two.',
  checks: 'assignments on the same port, in the order of priorities, and earlier rules that end the chain',
  check(view, report) {
    for (const assignment of view.distinct) if (neverReached(view, assignment)) report(endOf(view, assignment));
    const all = view.distinct.filter((one) => one.place !== null && takesEffect(one) && kernelHelper(one));
    const order = (one: Assignment) => one.place?.base.priority ?? 0;
    const byPort = grouped(all, ({ protocol, ports }) =>
      (ports ?? []).flatMap(([from, to]) => (from === to ? [`${protocol} ${from}`] : [])),
    );
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
          claim: `${loser.type} on ${portText(loser)} never takes effect: ${winner.type} is set first`,
          evidence: [
            { line: winner.line, fact: `first, at priority ${order(winner)}: ${brief(winner.text)}` },
            { line: loser.line, fact: `then, at priority ${order(loser)}: ${brief(loser.text)}` },
            { line: null, fact: 'a connection keeps the helper that was set first (net/netfilter/nft_ct.c)' },
          ],
          solution: { text: `Remove one of the two rules on ${portText(loser)}.`, diff: null },
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

/** Whether every way to the rule of an assignment ends before it. */
function neverReached(view: RulesetView, { type, place, endedBy }: Assignment): boolean {
  if (!endedBy || !place) return false;
  const reached = view.memo('reached', () => {
    const rules = new Map<Rule, Set<string>>();
    for (const one of view.assignments) {
      if (one.endedBy || !one.place) continue;
      const types = rules.get(one.place.rule) ?? new Set<string>();
      rules.set(one.place.rule, types.add(one.type));
    }
    return rules;
  });
  return !reached.get(place.rule)?.has(type);
}

/** The claim about an assignment that packets do not reach. */
function endOf(view: RulesetView, assignment: Assignment): Claim {
  const { chain, rule } = assignment.endedBy as Stop;
  return {
    ...placeOf(view, assignment),
    claim: `${assignment.type} on ${portText(assignment)} is never assigned: \`${brief(rule.text)}\` comes first`,
    evidence: [
      at(assignment, 'assigned here'),
      {
        line: rule.line,
        fact: `${view.symbol(chain, rule)} comes first and takes every new packet of these connections: ${brief(rule.text)}`,
      },
    ],
    solution: { text: 'Move the assignment before that rule.', diff: null },
    severity: 'medium',
    confidence: 'certain',
  };
}

export const snmpForwarded: RulesetRule = {
  id: 'snmp-forwarded',
  cwe: 436,
  severity: 'medium',
  title: 'the snmp helper on forwarded NAT traffic',
  why: 'The helper rewrites addresses inside SNMPv1 and SNMPv2c packets. It drops packets that it cannot parse, such as SNMPv3 and some traps. Monitoring across the router fails without an error.',
  remedy: 'Assign snmp only at hook output, for broadcasts of the router itself.',
  checks: 'hooks of snmp assignments in rulesets with NAT',
  check(view, report) {
    for (const assignment of view.distinct) {
      const { nat } = view;
      if (assignment.type !== 'snmp' || assignment.place?.base.hook !== 'prerouting' || nat === null) continue;
      report({
        ...placeOf(view, assignment),
        claim: 'snmp on forwarded traffic with NAT: SNMPv3 and v1 traps are dropped',
        evidence: [
          at(assignment, 'assigned to incoming connections'),
          { line: nat.line, fact: `a rule translates addresses: ${brief(nat.text)}` },
          { line: null, fact: 'nf_nat_snmp_basic drops packets that it cannot decode' },
        ],
        solution: { text: 'Move it to a chain at hook output.', diff: null },
        severity: 'medium',
        confidence: 'certain',
      });
    }
  },
};
