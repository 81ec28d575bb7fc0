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
  title: 'a helper for connections from anywhere to anywhere',
  why: 'The helper reads along on every connection to the port, whoever makes it and wherever to: also those of hosts that were never meant to have connections opened to them.',
  remedy: 'Name the clients or servers that need it: `ip saddr`, `ip daddr`, `iifname`.',
  checks: 'what assignments are narrowed by',
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
    for (const assignment of view.distinct) {
      const how = lookUp(SLIPSTREAM, assignment.type);
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
        evaluate(view, { family, hook: 'forward', state: 'related', helper: type, protocol: protocol ?? 'tcp', port: LOW_PORT }).verdict ===
        'drop',
    ),
  );
}
