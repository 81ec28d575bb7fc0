import { FAMILIES, type Family } from '../../../model/catalogue.ts';
import { list } from '../../words.ts';
import { ADVISORIES, isAffected } from '../advisories.ts';
import type { Rule } from '../model.ts';
import { at, placeOf, type RulesetRule } from '../rule.ts';
import { type Assignment, kernelHelper, portText, type RulesetView, sees, takesEffect } from '../view.ts';

export const noAntiSpoofing: RulesetRule = {
  id: 'no-anti-spoofing',
  cwe: 346,
  severity: 'low',
  title: 'helpers without a reverse-path check of source addresses',
  why: 'A helper trusts the source addresses of the packets that it parses. If source addresses can be forged, an attacker outside can pose as a client and open ports to it.',
  remedy: 'Drop packets whose source is not routed back to their input interface: `fib saddr . iif oif missing drop`.',
  checks: 'reverse-path checks of each family in rulesets that assign helpers',
  check(view, report) {
    for (const family of FAMILIES) {
      const assignment = view.assignments.find(
        (one) =>
          one.families.includes(family) &&
          kernelHelper(one)?.families.includes(family) &&
          takesEffect(one) &&
          one.place?.base.hook === 'prerouting',
      );
      if (!assignment || view.ruleset.chains.some((chain) => sees(chain, family) && chain.rules.some(checksReversePath))) continue;
      const setting = family === 'ipv4' ? rpFilter(view) : 'IPv6 has no rp_filter setting: only a rule can check';
      if (setting === null) continue;
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} is assigned for ${name(family)}, and no rule checks the reverse path of source addresses`,
        evidence: [
          at(assignment, 'the helper that trusts addresses'),
          { line: null, fact: `no rule with \`fib saddr . iif oif\` or \`rpfilter\` for ${name(family)}` },
          { line: null, fact: setting },
        ],
        solution: { text: 'In prerouting, before the helper: `fib saddr . iif oif missing drop`.', diff: null },
        severity: 'low',
        confidence: 'certain',
      });
      return;
    }
  },
};

/** Whether a rule is a reverse-path check that decides. */
function checksReversePath({ matches, action }: Rule): boolean {
  return (
    matches.some(({ key }) => key === 'rpfilter') &&
    (action?.kind === 'drop' || action?.kind === 'jump' || action?.kind === 'return' || action?.kind === 'accept')
  );
}

/** Evidence that the kernel's own check for IPv4 (rp_filter) is off; null: it is on for some interface, or unknown. */
function rpFilter({ host }: RulesetView): string | null {
  const values = [...host.sysctls].filter(([name]) => /^net\.ipv4\.conf\..+\.rp_filter$/.test(name));
  if (values.length === 0 || values.some(([, value]) => value !== '0')) return null;
  return `${values
    .map(([name]) => name)
    .slice(0, 3)
    .join(', ')} = 0`;
}

export const familiesDiffer: RulesetRule = {
  id: 'families-differ',
  cwe: 424,
  severity: 'low',
  title: 'different helpers for IPv4 and IPv6',
  why: 'The same service behaves differently depending on the address family that a client uses: it works over one family only, or is restricted over one family only.',
  remedy: 'Write the rules once, in an inet table.',
  checks: 'assignments of each family, in rulesets that have chains for both',
  check(view, report) {
    const filters = (family: Family) =>
      view.ruleset.chains.some((chain) => chain.base !== null && chain.base.hook === 'prerouting' && sees(chain, family));
    if (!FAMILIES.every(filters)) return;
    const said = new Set<string>();
    for (const assignment of view.assignments) {
      const helper = kernelHelper(assignment);
      if (
        !helper ||
        helper.families.length < 2 ||
        assignment.families.length !== 1 ||
        !takesEffect(assignment) ||
        isOfAddresses(assignment)
      )
        continue;
      const [family] = assignment.families as [Family];
      const other = family === 'ipv4' ? 'ipv6' : 'ipv4';
      const key = `${assignment.type} ${portText(assignment)}`;
      if (said.has(key) || assignedFor(view).has(`${other} ${key}`)) continue;
      said.add(key);
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} on ${portText(assignment)} is assigned for ${name(family)} and not for ${name(other)}`,
        evidence: [
          at(assignment, `for ${name(family)}`),
          {
            line: null,
            fact: `the ruleset has chains for ${name(other)} too, and none of them assigns it; the kernel has ${assignment.type} for both`,
          },
        ],
        solution: { text: 'Assign it in an inet table, with an object of `l3proto inet`.', diff: null },
        severity: 'low',
        confidence: 'certain',
      });
    }
  },
};

/** `family type port` of all assignments. */
function assignedFor(view: RulesetView): ReadonlySet<string> {
  return view.memo(
    'assigned for',
    () => new Set(view.assignments.flatMap((one) => one.families.map((family) => `${family} ${one.type} ${portText(one)}`))),
  );
}

/** Whether an address narrows it. An address belongs to one family, so the difference is intended. */
function isOfAddresses({ place }: Assignment): boolean {
  return place?.matches.some(({ key }) => key === 'saddr' || key === 'daddr') ?? false;
}

function name(family: Family): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6';
}

export const expectationLimit: RulesetRule = {
  id: 'expectation-limit',
  cwe: 770,
  severity: 'info',
  title: 'helpers for all clients without a limit on control connections',
  why: 'The expectations of all helpers, routers and clients of a host share one table. A client that opens many control connections, each with its expectations, can fill the table. Data connections of all other clients then fail.',
  remedy: 'Limit the number of control connections of each source: `ct count over 20 reject`.',
  checks: 'limits on connections to the ports of assignments',
  check(view, report) {
    const open = view.assignments.filter(
      (one) =>
        !one.source &&
        !one.destination &&
        takesEffect(one) &&
        kernelHelper(one) &&
        one.place &&
        one.place.base.hook !== 'output' &&
        !one.place.rule.limited &&
        !isCounted(view, one),
    );
    const [first] = open;
    if (!first) return;
    const max = view.host.sysctls.get('net.netfilter.nf_conntrack_expect_max');
    report({
      ...placeOf(view, first),
      claim: `no rule limits the control connections of ${list(open.map(({ type }) => type))}, whose expectations share one table with all others`,
      evidence: [
        at(first, 'for all clients, without a limit'),
        { line: null, fact: `no \`ct count\`, \`connlimit\` or rate on ${list(open.map(portText))}` },
        {
          line: null,
          fact: max
            ? `net.netfilter.nf_conntrack_expect_max = ${max}, for the whole host`
            : 'the size of the table is for the whole host (net.netfilter.nf_conntrack_expect_max)',
        },
      ],
      solution: {
        text: `Limit new control connections by source: \`meter ${first.type} { ip saddr ct count over 20 } reject\`.`,
        diff: null,
      },
      severity: 'info',
      confidence: 'certain',
    });
  },
};

/** Whether some rule with a limit matches the port of an assignment. */
function isCounted(view: RulesetView, { ports }: Assignment): boolean {
  const limited = view.memo('limited ports', () =>
    view.ruleset.chains.flatMap(({ rules }) =>
      rules
        .filter((rule) => rule.limited)
        .flatMap(({ matches }) => matches.flatMap(({ key, ranges }) => (key === 'dport' ? (ranges ?? []) : []))),
    ),
  );
  view.spend(1 + limited.length);
  return limited.some(([from, to]) => ports?.some(([low, high]) => low >= from && high <= to));
}

export const knownAdvisory: RulesetRule = {
  id: 'known-advisory',
  cwe: 1395,
  severity: 'medium',
  title: 'a helper with a published vulnerability in this kernel',
  why: "The helper parses untrusted data inside the kernel. A vulnerability of the helper has been published for this kernel's version.",
  remedy: 'Update the kernel, or remove the assignment until then.',
  checks: 'published vulnerabilities of assigned helpers, if the kernel version is known (live, or `--kernel`)',
  check(view, report) {
    const { kernel } = view.host;
    if (kernel === null) return;
    const said = new Set<string>();
    for (const assignment of view.assignments) {
      for (const advisory of ADVISORIES) {
        const key = `${advisory.id} ${assignment.type}`;
        if (!advisory.helpers.includes(assignment.type) || !isAffected(advisory, kernel) || said.has(key)) continue;
        said.add(key);
        report({
          ...placeOf(view, assignment),
          claim: `${advisory.id}: ${advisory.summary}`,
          evidence: [
            at(assignment, 'the helper is assigned here'),
            {
              line: null,
              fact: `kernel ${kernel}; fixed in ${advisory.fixed} (a distribution may have backported the fix: see its security tracker)`,
            },
            { line: null, fact: `published ${advisory.published}: ${advisory.source}` },
          ],
          solution: { text: `Update to a kernel with the fix (${advisory.fixed} or later, or your distribution's).`, diff: null },
          severity: advisory.severity,
          confidence: 'likely',
        });
      }
    }
  },
};
