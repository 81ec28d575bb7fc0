import { FAMILIES, type Family } from '../../../model/catalogue.ts';
import type { Claim } from '../../finding.ts';
import { brief, list } from '../../words.ts';
import { couldMatch, evaluate, LOW_PORT, type Outcome, type Probe } from '../evaluate.ts';
import type { Chain, Rule } from '../model.ts';
import { at, type RulesetRule, stepsOf } from '../rule.ts';
import { type Assignment, kernelHelper, type RulesetView, takesEffect } from '../view.ts';

/** Where a data connection may well go. */
const HIGH_PORT = 40_000;
/** Helpers that refuse low ports themselves (`process_sdp` and `ct_sip_parse_header_uri` of nf_conntrack_sip.c). */
const HIGH_ONLY: ReadonlySet<string> = new Set(['sip']);
/** A helper that nothing assigns: what passes for it passes for any. */
const ANY_OTHER = 'another-helper';
const HOOKS = ['forward', 'input'] as const;

interface Passage {
  readonly hook: 'forward' | 'input';
  readonly family: Family;
  readonly outcome: Outcome;
  /** The rule that accepts it as related. */
  readonly rule: Rule;
  readonly chain: Chain;
}

/** How a related packet passes, where a rule about related packets is what lets it. */
function passage(view: RulesetView, probe: Pick<Probe, 'helper' | 'protocol' | 'port'>, families: readonly Family[]): Passage | null {
  return view.memo(`passage ${probe.helper} ${probe.protocol} ${probe.port} ${families}`, () => findPassage(view, probe, families));
}

function findPassage(view: RulesetView, probe: Pick<Probe, 'helper' | 'protocol' | 'port'>, families: readonly Family[]): Passage | null {
  for (const hook of HOOKS) {
    for (const family of families) {
      const outcome = evaluate(view, { ...probe, hook, family, state: 'related' });
      const accepting =
        outcome.verdict === 'accept'
          ? outcome.steps.find(({ rule }) => rule?.action?.kind === 'accept' && isAboutRelated(view, rule))
          : undefined;
      if (accepting?.rule) return { hook, family, outcome, rule: accepting.rule, chain: accepting.chain };
    }
  }
  return null;
}

function isAboutRelated(view: RulesetView, rule: Rule): boolean {
  view.spend(1);
  const speaks = (one: Rule) => one.matches.some(({ key, values, negated }) => key === 'state' && !negated && values?.includes('related'));
  if (speaks(rule)) return true;
  return view.ruleset.chains.some((chain) => has(view, chain, rule) && view.contextsOf(chain).some(({ path }) => path.some(speaks)));
}

function has(view: RulesetView, chain: Chain, rule: Rule): boolean {
  view.spend(1 + (chain.rules.length >> 3));
  return chain.rules.includes(rule);
}

function assigned(view: RulesetView): readonly Assignment[] {
  return view.memo('assigned', () =>
    view.assignments.filter((one) => kernelHelper(one) !== null && one.families.length > 0 && takesEffect(one)),
  );
}

/** Data connections of a helper: what their packets are. */
function dataProtocol(assignment: Assignment): 'tcp' | 'udp' {
  const data = kernelHelper(assignment)?.data;
  return data === 'udp' || data === 'tcp-udp' ? 'udp' : 'tcp';
}

export const relatedAcceptBare: RulesetRule = {
  id: 'related-accept-bare',
  cwe: 923,
  severity: 'medium',
  title: 'related connections accepted whatever helper announced them',
  why: 'The rule lets in whatever any helper expects: those that are assigned here, and those that somebody else assigns tomorrow. Whoever gets a helper to expect a connection has opened the firewall.',
  remedy: 'Accept related connections by helper: `ct state related ct helper "ftp" tcp dport >= 1024 accept`, and ICMP errors by protocol.',
  checks: 'rules that accept related packets, tried with a packet of a helper that the ruleset does not know',
  check(view, report) {
    const [first] = assigned(view);
    if (!first) return;
    const found = passage(view, { helper: ANY_OTHER, protocol: 'tcp', port: HIGH_PORT }, FAMILIES);
    if (!found || found.outcome.doubts.length > 0) return;
    report({
      line: found.rule.line,
      endLine: found.rule.line,
      symbol: view.symbol(found.chain, found.rule),
      claim: `\`${brief(found.rule.text)}\` accepts related connections of any helper, not only of ${list(assigned(view).map(({ type }) => type))}`,
      evidence: [
        {
          line: null,
          fact: `tried: ${found.family}, hook ${found.hook}, tcp to port ${HIGH_PORT}, related, of a helper that no rule names: accepted`,
        },
        ...stepsOf(view, found.outcome),
        at(first, 'a helper is assigned here'),
      ],
      solution: {
        text: 'Say which helper, and which ports; keep ICMP errors.',
        diff: view.ruleset.format === 'nft' ? byHelper(found.rule, assigned(view)) : null,
      },
      severity: 'medium',
      confidence: 'certain',
    });
  },
};

/** The rule, once for each helper; null where it says more than that. */
function byHelper(rule: Rule, assignments: readonly Assignment[]): string | null {
  if (rule.indent === null || !/^ct state (established,related|related,established) (counter )?accept$/.test(rule.text)) return null;
  const helpers = new Map(assignments.map((one) => [one.type, dataProtocol(one)]));
  const lines = [
    'ct state established accept',
    'ct state related meta l4proto { icmp, ipv6-icmp } accept',
    ...[...helpers].map(([type, protocol]) => `ct state related ct helper "${type}" ${protocol} dport >= 1024 accept`),
  ];
  return `@@ -${rule.line} +${rule.line},${lines.length} @@\n-${rule.indent}${rule.text}\n${lines.map((line) => `+${rule.indent}${line}`).join('\n')}`;
}

export const relatedToLowPorts: RulesetRule = {
  id: 'related-to-low-ports',
  cwe: 923,
  severity: 'high',
  title: 'related connections accepted to ports below 1024',
  why: 'The ports of a data connection are announced by the peers, and forged as easily: a page that a client opens, or the client itself, names port 22 and has it opened to the outside. No data connection goes there.',
  remedy: 'Drop related connections to ports below 1024, or accept only those above.',
  checks: `related packets to port ${LOW_PORT} of each helper that is assigned`,
  check(view, report) {
    const opened = new Map<Rule, { found: Passage; by: Assignment[] }>();
    for (const assignment of assigned(view)) {
      const helper = kernelHelper(assignment);
      if (helper?.data === 'gre' || HIGH_ONLY.has(assignment.type)) continue;
      const found = passage(
        view,
        { helper: assignment.type, protocol: dataProtocol(assignment), port: LOW_PORT },
        assignment.families.filter((family) => helper?.families.includes(family)),
      );
      if (!found) continue;
      const known = opened.get(found.rule);
      if (known) known.by.push(assignment);
      else opened.set(found.rule, { found, by: [assignment] });
    }
    for (const { found, by } of opened.values()) {
      const [first] = by as [Assignment];
      report({
        line: found.rule.line,
        endLine: found.rule.line,
        symbol: view.symbol(found.chain, found.rule),
        claim: `what ${list(by.map(({ type }) => type))} announce${new Set(by.map(({ type }) => type)).size > 1 ? '' : 's'} is accepted to ports below 1024 too`,
        evidence: [
          at(first, 'the helper is assigned here'),
          {
            line: null,
            fact: `tried: ${found.family}, hook ${found.hook}, ${dataProtocol(first)} to port ${LOW_PORT}, related, of ${first.type}: accepted`,
          },
          ...stepsOf(view, found.outcome),
        ],
        solution: dropsBefore(found.rule, by),
        severity: by.every(isOfOwnServer) ? 'low' : 'high',
        confidence: found.outcome.doubts.length > 0 ? 'likely' : 'certain',
      });
    }
  },
};

/** Connections to servers of this host alone: what is announced to be opened here, they announce themselves. */
function isOfOwnServer({ place }: Assignment): boolean {
  return place?.base.hook === 'input';
}

/** Drops of what no data connection is, before the rule that accepts it. */
function dropsBefore(rule: Rule, by: readonly Assignment[]): Claim['solution'] {
  // pinhole-review: ignore unvalidated-text -- advice in a report; the helper's name is one of the catalogue
  const drops = [...new Set(by.map((one) => `ct state related ct helper "${one.type}" ${dataProtocol(one)} dport < 1024 drop`))];
  const hunk = `@@ -${rule.line - 1},0 +${rule.line}${drops.length > 1 ? `,${drops.length}` : ''} @@\n${drops.map((drop) => `+${rule.indent ?? ''}${drop}`).join('\n')}`;
  return { text: `Before it, drop what no data connection is: \`${drops[0]}\`.`, diff: rule.indent === null ? null : hunk };
}

export const helperWithoutRelatedAccept: RulesetRule = {
  id: 'helper-without-related-accept',
  cwe: 561,
  severity: 'medium',
  title: 'a helper whose connections nothing accepts',
  why: 'The helper reads along and announces a connection, and the firewall drops it: the protocol does not work, and the helper is there for attacks only.',
  remedy: 'Accept what is related to it, or take the helper away.',
  checks: 'a related packet of each helper that is assigned, at the hooks that drop by default',
  check(view, report) {
    const said = new Set<string>();
    for (const assignment of assigned(view)) {
      const helper = kernelHelper(assignment);
      const key = `${assignment.type} ${assignment.line}`;
      if (said.has(key) || !helper || helper.data === 'gre' || assignment.place?.base.hook === 'output') continue;
      const dropped = dropsAll(
        view,
        assignment,
        assignment.families.filter((family) => helper.families.includes(family)),
      );
      if (!dropped) continue;
      said.add(key);
      report({
        line: assignment.line,
        endLine: assignment.line,
        symbol: assignment.place ? view.symbol(assignment.place.chain, assignment.place.rule) : null,
        claim: `${assignment.type} is assigned, and what it announces is dropped`,
        evidence: [
          at(assignment, 'the helper is assigned here'),
          {
            line: null,
            fact: `tried: hook forward, ${dataProtocol(assignment)} to port ${HIGH_PORT}, related, of ${assignment.type}: dropped`,
          },
          ...stepsOf(view, dropped),
        ],
        solution: {
          text: `Accept it: \`ct state related ct helper "${assignment.type}" ${dataProtocol(assignment)} dport >= 1024 accept\`; or remove the assignment.`,
          diff: null,
        },
        severity: 'medium',
        confidence: 'certain',
      });
    }
  },
};

/** What dropped it, if every way through is closed without a doubt. */
function dropsAll(view: RulesetView, assignment: Assignment, families: readonly Family[]): Outcome | null {
  return view.memo(`drops ${assignment.type} ${assignment.protocol} ${families}`, () => findDrop(view, assignment, families));
}

function findDrop(view: RulesetView, assignment: Assignment, families: readonly Family[]): Outcome | null {
  const data = kernelHelper(assignment)?.data === 'tcp-udp' ? ['tcp', 'udp'] : [dataProtocol(assignment)];
  const probes = families.flatMap((family) =>
    data.map((protocol): Probe => ({ family, hook: 'forward', state: 'related', helper: assignment.type, protocol, port: HIGH_PORT })),
  );
  const outcomes = probes.map((probe) => evaluate(view, probe));
  const isClosed = outcomes.every(({ verdict }) => verdict === 'drop') && !probes.some((probe) => mayAccept(view, probe));
  return isClosed ? (outcomes[0] ?? null) : null;
}

/** A rule that accepts under a condition that cannot be seen, or for some addresses only: the helper may be for those. */
function mayAccept(view: RulesetView, probe: Probe): boolean {
  const bases = view.baseChains('forward', probe.family);
  return view.ruleset.chains.some(
    (chain) =>
      view.contextsOf(chain).some(({ base }) => bases.includes(base)) &&
      chain.rules.some((rule) => (rule.action?.kind === 'accept' || rule.action?.kind === 'queue') && couldMatch(view, rule, probe)),
  );
}

/** A rule that assigns by a map that others fill, or carries what nft cannot show. */
function mayAssign({ opaque, action }: Rule): boolean {
  return opaque || action?.kind === 'set-helper' || action?.kind === 'map-helper';
}

export const relatedAcceptWithoutHelper: RulesetRule = {
  id: 'related-accept-without-helper',
  cwe: 1164,
  severity: 'info',
  title: 'related connections accepted where nothing assigns a helper',
  why: 'Without a helper the only related packets are ICMP errors. The rule accepts more than that, and whoever assigns a helper later, for something else, opens the firewall without touching it.',
  remedy: 'Accept related ICMP by protocol, and related connections when a helper is assigned.',
  checks: 'rules that accept related packets in rulesets that assign no helper',
  check(view, report) {
    if (view.assignments.length > 0 || view.ruleset.chains.some(({ rules }) => rules.some(mayAssign))) return;
    if (view.host.sysctls.get('net.netfilter.nf_conntrack_helper') === '1') return;
    const found = passage(view, { helper: ANY_OTHER, protocol: 'tcp', port: HIGH_PORT }, FAMILIES);
    if (!found) return;
    const claim: Claim = {
      line: found.rule.line,
      endLine: found.rule.line,
      symbol: view.symbol(found.chain, found.rule),
      claim: `\`${brief(found.rule.text)}\` accepts related connections, and no rule here assigns a helper`,
      evidence: [
        { line: null, fact: `tried: ${found.family}, hook ${found.hook}, tcp to port ${HIGH_PORT}, related: accepted` },
        ...stepsOf(view, found.outcome),
        { line: null, fact: 'no `ct helper set` and no `-j CT --helper` in the ruleset' },
      ],
      solution: { text: 'Leave `related` to ICMP errors: `ct state related meta l4proto { icmp, ipv6-icmp } accept`.', diff: null },
      severity: 'info',
      confidence: 'certain',
    };
    report(claim);
  },
};
