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
  title: 'helpers without a check that addresses come from where they belong',
  why: 'A helper believes the source addresses of what it reads along. Where they can be forged, somebody outside speaks for a client, and has ports opened to it.',
  remedy: 'Drop packets whose source is not routed back the way they came: `fib saddr . iif oif missing drop`.',
  checks: 'rulesets that assign helpers, for a reverse-path check of each family',
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
      const setting = family === 'ipv4' ? rpFilter(view) : 'IPv6 has no rp_filter setting: only a rule can do it';
      if (setting === null) continue;
      report({
        ...placeOf(view, assignment),
        claim: `${assignment.type} is assigned for ${name(family)}, and nothing checks that sources come from where they belong`,
        evidence: [
          at(assignment, 'a helper that believes addresses'),
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

function checksReversePath({ matches, action }: Rule): boolean {
  return (
    matches.some(({ key }) => key === 'rpfilter') &&
    (action?.kind === 'drop' || action?.kind === 'jump' || action?.kind === 'return' || action?.kind === 'accept')
  );
}

/** What is known of IPv4's own check; null: it may be on, or nobody said. */
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
  title: 'IPv4 and IPv6 that get different helpers',
  why: 'The same service behaves in two ways, depending on which family a client happens to use: it works over one only, or is held over one only.',
  remedy: 'Write the rules once, in an inet table.',
  checks: 'assignments of each family, where a ruleset has chains for both',
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

/** `family type port` of every assignment. */
function assignedFor(view: RulesetView): ReadonlySet<string> {
  return view.memo(
    'assigned for',
    () => new Set(view.assignments.flatMap((one) => one.families.map((family) => `${family} ${one.type} ${portText(one)}`))),
  );
}

/** Narrowed to addresses, which are of one family: whoever wrote them chose it. */
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
  title: 'helpers for everybody, and one table of expectations for all',
  why: 'Expectations of all helpers, routers and clients of a host share one table. One client that opens many control connections, each with its expectations, fills it, and nobody else gets a data connection any more.',
  remedy: 'Count control connections by source: `ct count over 20 reject`.',
  checks: 'assignments without a limit on connections to their port',
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
      claim: `nothing limits the control connections of ${list(open.map(({ type }) => type))}, whose expectations share one table with everybody's`,
      evidence: [
        at(first, 'for everybody, with no limit'),
        { line: null, fact: `no \`ct count\`, \`connlimit\` or rate on ${list(open.map(portText))}` },
        {
          line: null,
          fact: max
            ? `net.netfilter.nf_conntrack_expect_max = ${max}, for the whole host`
            : 'the table is bounded for the whole host (net.netfilter.nf_conntrack_expect_max)',
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

/** A rule with a limit that speaks of the same port. */
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
  title: 'a helper with a known defect in this kernel',
  why: "The helper parses what strangers send, inside the kernel. For this kernel's version a defect of it is published.",
  remedy: 'Update the kernel, or take the helper away until then.',
  checks: 'helpers that are assigned against published advisories, where the kernel is known (live, or `--kernel`)',
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
              fact: `kernel ${kernel}; fixed in ${advisory.fixed} (a distribution may have taken the fix over: ask its tracker)`,
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
