import type { Diagnosis } from '../contract/diagnosis.ts';
import type { AllRules } from '../kernel/interface.ts';
import { couldMatch } from '../review/ruleset/evaluate.ts';
import { readIptablesSave } from '../review/ruleset/iptables.ts';
import { liveLines, liveText, readLive } from '../review/ruleset/live.ts';
import type { Match } from '../review/ruleset/model.ts';
import { type Assignment, kernelHelper, NO_HOST, RulesetView } from '../review/ruleset/view.ts';
import type { RuleSource } from '../review/ruleset/walk.ts';
import type { DeclaredHelper } from './declared.ts';
import { Describer, wayOf } from './describe.ts';
import { flowsOf } from './flows.ts';
import { type Checked, type Finding, HelperChecker, isOwnTable, type PathReport } from './helper-check.ts';
import { type NetworkFacts, readNetwork } from './network.ts';
import { type Limits, type Named, pathsThrough } from './paths.ts';
import { Router } from './router.ts';

/** What a diagnosis is about, beside the rules. */
export interface Question {
  /** The client and the server of the connections that are followed. */
  readonly named: Named;
  /** NAT modules of helpers that are not loaded. */
  readonly missingNat: readonly string[];
  /** Helpers that the kernel should assign, as far as declared. */
  readonly declared: readonly DeclaredHelper[];
}

/** Any client and server, with nothing known beside the rules. */
export const ANY_PATH: Question = { named: { from: null, to: null }, missingNat: [], declared: [] };

const LEGACY = 'iptables-legacy';
/** The part of a table that counts as full: entries come and go while a table is read. */
const NEARLY = 0.95;

/**
 * Follows the connections of each helper of a namespace through all rules, routes and settings, and names what stops them. Pure; the
 * reviewer's readers and evaluator do the work.
 * @returns problems first, then what is not known, then what works
 * @throws InvalidInput for rules that are not what nft and iptables print
 */
export function diagnose(rules: AllRules, question: Question = ANY_PATH): Diagnosis[] {
  return worstFirst(new NamespaceCheck(rules, question).run());
}

/** Problems first, then notes, otherwise in the same order. */
export function worstFirst(found: readonly Diagnosis[]): Diagnosis[] {
  const rank = { problem: 0, note: 1, ok: 2 };
  return [...found].sort((a, b) => rank[a.result] - rank[b.result]);
}

/** A table of the kernel that is full, or nearly. @param size NaN where it is not known */
function fullTable(
  check: string,
  what: string,
  { count, max, setting }: { readonly count: number; readonly max: number; readonly setting: string },
): Diagnosis[] {
  if (!(count >= max * NEARLY)) return [];
  return [{ check, result: 'problem', detail: `${count} of ${max} ${what}: new ones are dropped. Raise net.netfilter.${setting}.` }];
}

/** A helper that Pinhole's table assigns, and the connections that it is for. */
interface Assigned {
  readonly assignment: Assignment;
  readonly port: number;
  readonly limits: Limits;
}

class NamespaceCheck {
  readonly #rules: AllRules;
  readonly #question: Question;
  readonly #network: NetworkFacts;
  readonly #view: RulesetView;
  readonly #router: Router;
  readonly #describer: Describer;
  readonly #checker: HelperChecker;

  constructor(rules: AllRules, question: Question) {
    this.#rules = rules;
    this.#question = question;
    this.#network = readNetwork(rules.network, rules.settings);
    const ruleset = readLive(liveText(rules), 'live rules');
    const legacy = readIptablesSave(rules.legacy ?? '', LEGACY);
    const sources: RuleSource[] = [
      { program: '', ruleset },
      { program: LEGACY, ruleset: legacy },
    ];
    const lines = { '': liveLines(rules), [LEGACY]: (rules.legacy ?? '').split('\n') };
    this.#view = new RulesetView('live rules', { ...ruleset, chains: [...ruleset.chains, ...legacy.chains] }, { host: NO_HOST });
    this.#router = new Router(sources, this.#network);
    this.#describer = new Describer((program) => (program === LEGACY ? lines[LEGACY] : lines['']) ?? []);
    this.#checker = new HelperChecker(this.#router, this.#describer, question.missingNat);
  }

  run(): Diagnosis[] {
    const assigned = assignedBy(this.#view);
    const table: Diagnosis[] =
      assigned.length > 0
        ? []
        : [
            {
              check: 'table inet pinhole',
              result: 'note',
              detail: 'assigns no helper: none is declared for this namespace, or none could be applied. Nothing was followed.',
            },
          ];
    return [...table, ...this.#missing(assigned), ...this.#surroundings(), ...assigned.flatMap((one) => this.#helper(one))];
  }

  /** Helpers that are declared and that no rule assigns. */
  #missing(assigned: readonly Assigned[]): Diagnosis[] {
    const known = new Set(assigned.map(({ assignment: { type, protocol }, port }) => `${type} ${protocol}/${port}`));
    return this.#question.declared
      .map(({ type, protocol, port }) => `${type} ${protocol}/${port}`)
      .filter((label) => !known.has(label))
      .map((check) => ({ check, result: 'problem', detail: 'no rule assigns it: it is not in table inet pinhole. Is the agent running?' }));
  }

  #surroundings(): Diagnosis[] {
    const { settings, expectations } = this.#network;
    const setting = (name: string) => Number(settings[`net.netfilter.nf_conntrack_${name}`]);
    const full = [
      ...fullTable('connection table', 'connections', { count: setting('count'), max: setting('max'), setting: 'nf_conntrack_max' }),
      ...fullTable('expectation table', 'expectations', {
        count: expectations,
        max: setting('expect_max'),
        setting: 'nf_conntrack_expect_max',
      }),
    ];
    const unread: Diagnosis[] =
      this.#rules.legacy === null
        ? [{ check: LEGACY, result: 'note', detail: 'not known: it has rules, and iptables-legacy-save is not there to read them' }]
        : [];
    return [...full, ...unread];
  }

  #helper(assigned: Assigned): Diagnosis[] {
    const { assignment, port, limits } = assigned;
    const kernel = kernelHelper(assignment);
    const protocol = assignment.protocol === 'udp' ? 'udp' : 'tcp';
    const label = `${assignment.type} ${protocol}/${port}`;
    if (kernel?.localOnly || flowsOf(assignment.type).length === 0)
      return [{ check: label, result: 'note', detail: 'not known: doctor does not follow the connections of this helper' }];
    const families = assignment.families.filter((family) => kernel?.families.includes(family) ?? true);
    const followed = families.flatMap((family) => {
      const helper: Checked = { type: assignment.type, protocol, port, family, kernel };
      const isOpen = this.#network.listening.some((one) => one.protocol === protocol && one.port === port);
      const translates = this.#router.translatesDestinations;
      const paths = pathsThrough(this.#network, family, { limits, named: this.#question.named, isOpen, translates });
      const reports = paths.map((path) => this.#checker.along(path, helper));
      return reports.length === 0 ? [] : this.#summary(`${label} ${family}`, reports, helper);
    });
    const none: Diagnosis[] =
      followed.length > 0
        ? []
        : [
            {
              check: label,
              result: 'note',
              detail: `not known: no two networks around this host that it could connect${scopeText(limits)}`,
            },
          ];
    return [...encrypted(label, assignment.type, port), ...followed, ...none];
  }

  /** What was found on all paths of a helper: on those that the firewall means to be open, if there are any. */
  #summary(label: string, reports: readonly PathReport[], helper: Checked): Diagnosis[] {
    const meant = mostAdmitted(reports);
    const rows = new Map<string, { finding: Finding; ways: string[] }>();
    for (const { path, findings } of meant.length > 0 ? meant : reports)
      for (const finding of findings) {
        const key = `${finding.part} ${finding.result} ${finding.detail}`;
        const row = rows.get(key) ?? { finding, ways: [] };
        rows.set(key, row);
        row.ways.push(wayOf(path));
      }
    const isClosed = meant.length === 0 && !this.#mayAccept(helper) && this.#question.named.from === null;
    const certain = meant.length > 0 || isClosed || this.#question.named.from !== null;
    const found = [...rows.values()].map(({ finding, ways }): Diagnosis => {
      const detail = `${waysText(ways)}: ${finding.detail}`;
      return {
        check: `${label} ${finding.part}`,
        result: certain ? finding.result : 'note',
        detail: certain ? detail : `not known: other addresses may pass (--from, --to). ${detail}`,
      };
    });
    const clean = meant.filter(({ findings }) => findings.length === 0).map(({ path }) => wayOf(path));
    const works: Diagnosis[] =
      clean.length === 0 ? [] : [{ check: label, result: 'ok', detail: `control and data connections pass: ${waysText(clean)}` }];
    return [...found, ...works];
  }

  /** Whether some rule accepts the control connection under conditions that no tried path meets. */
  #mayAccept({ family, protocol, port }: Checked): boolean {
    const probe = { family, hook: 'forward' as const, state: 'new' as const, helper: null, protocol, port };
    const accepts = (kind: string | undefined) => kind === 'accept' || kind === 'queue';
    // Paths between all interfaces were tried, so only addresses and what is not modelled can make a difference.
    const narrows = ({ key, negated }: Match) => !negated && (key === 'saddr' || key === 'daddr' || key === 'other');
    const bases = this.#view.baseChains('forward', family);
    return this.#view.ruleset.chains.some(
      (chain) =>
        this.#view.contextsOf(chain).some(({ base }) => bases.includes(base)) &&
        chain.rules.some((rule) => accepts(rule.action?.kind) && rule.matches.some(narrows) && couldMatch(this.#view, rule, probe)),
    );
  }
}

/** The paths that all rules admit; if there is none, those that the firewall admits where it decides what is forwarded. */
function mostAdmitted(reports: readonly PathReport[]): PathReport[] {
  const all = reports.filter(({ admitted }) => admitted === 'all');
  return all.length > 0 ? all : reports.filter(({ admitted }) => admitted === 'filtering');
}

/** What a helper cannot read. */
function encrypted(label: string, type: string, port: number): Diagnosis[] {
  if (type !== 'ftp') return [];
  const remedy = 'give the server a fixed range of data ports and open that range';
  if (port === 990)
    return [{ check: `${label} TLS`, result: 'problem', detail: `no helper can read FTP over TLS, which this port is for: ${remedy}` }];
  return [
    {
      check: `${label} TLS`,
      result: 'note',
      detail: `not known: whether clients encrypt the connection (AUTH TLS, explicit FTPS). Then no helper can read it: ${remedy}`,
    },
  ];
}

/** The helpers that Pinhole's table assigns to forwarded and incoming connections, each once. */
function assignedBy(view: RulesetView): Assigned[] {
  const found = new Map<string, Assigned>();
  for (const assignment of view.assignments) {
    const { place, ports } = assignment;
    if (!place || !isOwnTable(place.chain) || (place.base.hook === 'output' && !kernelHelper(assignment)?.localOnly)) continue;
    const value = (key: Match['key']) => place.matches.find((one) => one.key === key && !one.negated)?.values?.[0] ?? null;
    const limits = { source: value('saddr'), destination: value('daddr'), input: value('iif') };
    for (const [from, to] of ports ?? [])
      for (let port = from; port <= to; port++)
        found.set(`${assignment.type} ${assignment.protocol} ${port} ${JSON.stringify(limits)}`, { assignment, port, limits });
  }
  return [...found.values()];
}

function scopeText({ source, destination, input }: Limits): string {
  const parts = [source && `from ${source}`, destination && `to ${destination}`, input && `in at ${input}`].filter(Boolean);
  return parts.length > 0 ? ` in its scope (${parts.join(', ')})` : '';
}

/** At most three ways, each once. */
function waysText(ways: readonly string[]): string {
  const unique = [...new Set(ways)];
  return unique.length > 3 ? `${unique.slice(0, 3).join(', ')} and ${unique.length - 3} more` : unique.join(', ');
}
