import { lookUp } from '../../../model/look-up.ts';
import { brief } from '../../words.ts';
import { evaluate, LOW_PORT } from '../evaluate.ts';
import type { Rule } from '../model.ts';
import { at, placeOf, type RulesetRule } from '../rule.ts';
import { type Assignment, kernelHelper, portText, type RulesetView, takesEffect } from '../view.ts';

export const helperUnscoped: RulesetRule = {
  id: 'helper-unscoped',
  cwe: 668,
  severity: 'low',
  title: 'a helper for connections from any source to any destination',
  why: 'The helper parses every connection to the port, whatever its source and destination. It can therefore open ports to hosts that need none.',
  remedy: 'Restrict the rule to the clients or servers that need the helper: `ip saddr`, `ip daddr`, `iifname`.',
  checks: 'addresses and interfaces that restrict assignments',
  check(view, report) {
    for (const assignment of view.distinct) {
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
          text: 'Match the clients (`ip saddr 192.0.2.0/24`), the servers (`ip daddr`) or the interface (`iifname "lan0"`) before the assignment.',
          diff: null,
        },
        severity: 'low',
        confidence: 'certain',
      });
    }
  },
};

/** The jumps that lead to the rule, as evidence. */
function pathOf({ place }: Assignment) {
  return (place?.path ?? []).map((rule: Rule) => ({ line: rule.line, fact: `reached by: ${brief(rule.text)}` }));
}

/** How a web page makes a client's browser trigger the helper: the attacks known as NAT slipstreaming (2020, 2021). */
const SLIPSTREAM: Readonly<Record<string, string>> = {
  irc: 'a page posts a form with a `DCC` line to port 6667: the helper opens a port of the client to every host',
  sip: 'a page makes the browser send a packet that is split so that it begins with REGISTER: the helper opens the port that it names',
  RAS: 'a registration names the port that the helper opens',
  'Q.931': 'a page makes the browser send a set-up message: the helper opens the port that it names',
};

export const slipstreamingExposure: RulesetRule = {
  id: 'slipstreaming-exposure',
  cwe: 441,
  severity: 'medium',
  title: 'irc, sip or h323 for connections from any client',
  why: 'A web page can make the browser of a client behind the router send text that the helper mistakes for its protocol. The helper then opens a port of that client to the outside. The attack is known as NAT slipstreaming.',
  remedy: 'Assign the helper only to clients that use the protocol. Restrict the connections that it opens to high ports and a rate.',
  checks: 'sources of irc, sip and h323 assignments',
  check(view, report) {
    for (const assignment of view.distinct) {
      const how = lookUp(SLIPSTREAM, assignment.type);
      if (!how || assignment.source || !kernelHelper(assignment) || !takesEffect(assignment) || assignment.place?.base.hook === 'output')
        continue;
      const isHeld = holdsLowPorts(view, assignment);
      report({
        ...placeOf(view, assignment),
        claim: `a web page can open a port of any client through ${assignment.type} on ${portText(assignment)}`,
        evidence: [
          at(assignment, 'no source address and no interface narrows it'),
          { line: null, fact: how },
          ...(isHeld ? [{ line: null, fact: 'the ruleset drops related connections to ports below 1024; high ports remain' }] : []),
        ],
        solution: { text: `Restrict the rule to the clients that use ${assignment.type}, with \`ip saddr\` or \`iifname\`.`, diff: null },
        severity: isHeld ? 'low' : 'medium',
        confidence: 'certain',
      });
    }
  },
};

/** Whether the ruleset drops related connections of the helper to low ports, for every family. */
function holdsLowPorts(view: RulesetView, { type, families, protocol }: Assignment): boolean {
  return view.memo(`low ${type} ${families} ${protocol}`, () =>
    families.every(
      (family) =>
        evaluate(view, { family, hook: 'forward', state: 'related', helper: type, protocol: protocol ?? 'tcp', port: LOW_PORT }).verdict ===
        'drop',
    ),
  );
}
