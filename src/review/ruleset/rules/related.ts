import { FAMILIES, type Family } from '../../../model/catalogue.ts';
import type { Claim } from '../../finding.ts';
import { brief, list } from '../../words.ts';
import { couldMatch, evaluate, LOW_PORT, type Outcome, type Probe } from '../evaluate.ts';
import type { Chain, Rule } from '../model.ts';
import { at, type RulesetRule, stepsOf } from '../rule.ts';
import { type Assignment, kernelHelper, type RulesetView, takesEffect } from '../view.ts';

/** A port that a data connection may use. */
const HIGH_PORT = 40_000;
/** Helpers that refuse low ports themselves (`process_sdp` and `ct_sip_parse_header_uri`, net/netfilter/nf_conntrack_sip.c). */
const HIGH_ONLY: ReadonlySet<string> = new Set(['sip']);
/** Stands for a helper that the ruleset does not name. */
const ANY_OTHER = 'another-helper';
const HOOKS = ['forward', 'input'] as const;

/** How a related packet passes a hook. */
interface Passage {
  readonly hook: 'forward' | 'input';
  readonly family: Family;
  readonly outcome: Outcome;
  /** The rule that accepts the packet because it is related. */
  readonly rule: Rule;
  readonly chain: Chain;
}

/** How a related packet passes the forward or input hook; null: it is dropped, or no rule about related packets accepts it. */
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

/** Whether a rule matches `ct state related`, itself or through a jump that leads to it. */
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

/** Assignments that take effect, of helpers that the kernel has. */
function assigned(view: RulesetView): readonly Assignment[] {
  return view.memo('assigned', () =>
    view.assignments.filter((one) => kernelHelper(one) !== null && one.families.length > 0 && takesEffect(one)),
  );
}

/** Protocol of the helper's data connections. */
function dataProtocol(assignment: Assignment): 'tcp' | 'udp' {
  const data = kernelHelper(assignment)?.data;
  return data === 'udp' || data === 'tcp-udp' ? 'udp' : 'tcp';
}

export const relatedAcceptBare: RulesetRule = {
  id: 'related-accept-bare',
  cwe: 923,
  severity: 'medium',
  title: 'related connections of any helper accepted',
  why: 'The rule accepts every connection that any helper expects, including helpers that other programs assign later. An attacker who makes a helper expect a connection has opened the firewall.',
  remedy: 'Accept related connections by helper: `ct state related ct helper "ftp" tcp dport >= 1024 accept`, and ICMP errors by protocol.',
  checks: 'rules that accept related packets, tried with a packet of a helper that the ruleset does not name',
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
        text: 'Match the helper and the ports, and keep ICMP errors.',
        diff: view.ruleset.format === 'nft' ? byHelper(found.rule, assigned(view)) : null,
      },
      severity: 'medium',
      confidence: 'certain',
    });
  },
};

/** A hunk that replaces the rule by one rule a helper; null: the rule has further conditions. */
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
  why: 'The peers of a control connection announce the ports of data connections, and an attacker can forge the announcement. A web page, or the client itself, can name port 22 and so open it to the outside. No data connection uses such a port.',
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
        claim: `related connections of ${list(by.map(({ type }) => type))} are also accepted to ports below 1024`,
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

/** Whether the connections go to servers of this host only: then the host itself announces the ports. */
function isOfOwnServer({ place }: Assignment): boolean {
  return place?.base.hook === 'input';
}

/** A hunk that drops related connections to low ports before the rule that accepts them. */
function dropsBefore(rule: Rule, by: readonly Assignment[]): Claim['solution'] {
  // pinhole-review: ignore unvalidated-text -- advice in a report; the helper's name is one of the catalogue
  const drops = [...new Set(by.map((one) => `ct state related ct helper "${one.type}" ${dataProtocol(one)} dport < 1024 drop`))];
  const hunk = `@@ -${rule.line - 1},0 +${rule.line}${drops.length > 1 ? `,${drops.length}` : ''} @@\n${drops.map((drop) => `+${rule.indent ?? ''}${drop}`).join('\n')}`;
  return { text: `Before this rule, drop related connections to low ports: \`${drops[0]}\`.`, diff: rule.indent === null ? null : hunk };
}

export const helperWithoutRelatedAccept: RulesetRule = {
  id: 'helper-without-related-accept',
  cwe: 561,
  severity: 'medium',
  title: 'a helper whose data connections no rule accepts',
  why: 'The helper expects data connections, and the firewall drops them. The protocol does not work, and the helper only adds attack surface.',
  remedy: 'Accept the related connections of the helper, or remove the assignment.',
  checks: 'a related packet of each assigned helper, at the hooks that drop by default',
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
        claim: `${assignment.type} is assigned, and its related connections are dropped`,
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

/** The outcome that drops the related packets of an assignment; null: some packet passes, or may pass. */
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

/** Whether a rule may accept the packet under a condition that the evaluator does not know, or for some addresses. */
function mayAccept(view: RulesetView, probe: Probe): boolean {
  const bases = view.baseChains('forward', probe.family);
  return view.ruleset.chains.some(
    (chain) =>
      view.contextsOf(chain).some(({ base }) => bases.includes(base)) &&
      chain.rules.some((rule) => (rule.action?.kind === 'accept' || rule.action?.kind === 'queue') && couldMatch(view, rule, probe)),
  );
}

/** Whether a rule may assign a helper: by a map that other programs fill, or by a part that nft cannot show. */
function mayAssign({ opaque, action }: Rule): boolean {
  return opaque || action?.kind === 'set-helper' || action?.kind === 'map-helper';
}

export const relatedAcceptWithoutHelper: RulesetRule = {
  id: 'related-accept-without-helper',
  cwe: 1164,
  severity: 'info',
  title: 'related connections accepted without any helper assigned',
  why: 'Without a helper, only ICMP errors are related. The rule accepts more: if another program assigns a helper later, the firewall is open without a change to its rules.',
  remedy: 'Accept related ICMP errors by protocol. Accept related connections only when a helper is assigned.',
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
      solution: { text: 'Restrict `related` to ICMP errors: `ct state related meta l4proto { icmp, ipv6-icmp } accept`.', diff: null },
      severity: 'info',
      confidence: 'certain',
    };
    report(claim);
  },
};
