import { PinholeError } from '../model/errors.ts';
import { Aborted, Budget, type Limits, OutOfSteps, runRules } from './budget.ts';
import type { ConfigKind } from './config/document.ts';
import { readConfigDocument } from './config/readers.ts';
import { CONFIG_RULES } from './config/rules.ts';
import { pillarOf } from './cwe.ts';
import { type Claim, compareFindings, type Finding, fingerprintOf, type RuleInfo, SEVERITIES } from './finding.ts';
import { ALL_TYPES, isChosen, type SubjectFamily, type Types } from './rules.ts';
import { readIptablesSave } from './ruleset/iptables.ts';
import { type LiveRules, liveLines, liveParts, readLive } from './ruleset/live.ts';
import type { Ruleset } from './ruleset/model.ts';
import { readNftJson } from './ruleset/nft-json.ts';
import { readNftText } from './ruleset/nft-text.ts';
import { RULESET_RULES } from './ruleset/rules/index.ts';
import { type HostFacts, NO_HOST, RulesetView } from './ruleset/view.ts';
import { reviewSource } from './source/review.ts';
import { SOURCE_RULES } from './source/rules/index.ts';
import { type LanguageName, SyntaxParser } from './source/syntax.ts';
import type { Subject } from './subject.ts';
import { type Applied, applySuppressions, suppressionsIn } from './suppression.ts';

/** What was reviewed of one subject. */
export interface Reviewed {
  readonly name: string;
  readonly family: SubjectFamily;
  readonly lines: number;
  /** Rules that did not get to the end, since its steps did not suffice; what they found until then is reported. */
  readonly unfinished: readonly string[];
}

export interface Note {
  readonly subject: string;
  readonly line: number | null;
  readonly note: string;
  /** Set where something was not reviewed, or not to the end. */
  readonly level?: 'error';
}

export interface SubjectReport {
  /** null: it could not be read as what it is; a note says why. */
  readonly reviewed: Reviewed | null;
  readonly findings: readonly Finding[];
  readonly notes: readonly Note[];
}

export interface EngineOptions {
  readonly types?: Types;
  readonly host?: HostFacts;
  readonly limits?: Partial<Limits>;
}

const READ_RULESET = { nft: readNftText, 'nft-json': readNftJson, iptables: readIptablesSave, live: readLive } as const;
const NO_RULESET: Ruleset = { format: 'nft', chains: [], helpers: [], unread: [] };

/** @throws InvalidInput naming the line; Error for what is no ruleset */
export function readRuleset({ kind, text, name }: Subject): Ruleset {
  const read = READ_RULESET[kind as keyof typeof READ_RULESET];
  if (!read) throw new Error(`${name} is no ruleset`);
  return read(text, name);
}

/** Reviews subjects one by one. The source parser is started when the first needs it. */
export class ReviewEngine {
  readonly #types: Types;
  readonly #host: HostFacts;
  readonly #limits: Partial<Limits>;
  #parser: SyntaxParser | null = null;

  constructor({ types = ALL_TYPES, host = NO_HOST, limits = {} }: EngineOptions = {}) {
    this.#types = types;
    this.#host = host;
    this.#limits = limits;
  }

  async review(subject: Subject): Promise<SubjectReport> {
    const { kind } = subject;
    try {
      if (kind === 'python' || kind === 'typescript' || kind === 'tsx') return await this.#source(subject, kind);
      return kind in READ_RULESET ? this.#ruleset(subject) : this.#config(subject, kind as ConfigKind);
    } catch (error) {
      return notReviewed(subject, whyNot(subject, error));
    }
  }

  close(): void {
    this.#parser?.close();
    this.#parser = null;
  }

  async #source(subject: Subject, language: LanguageName): Promise<SubjectReport> {
    this.#parser ??= await SyntaxParser.create();
    await this.#parser.load(language);
    const rules = SOURCE_RULES.filter((rule) => this.#mayApply(rule));
    const result = reviewSource(this.#parser, { path: subject.name, language, text: subject.text }, rules, new Budget(this.#limits));
    if ('reason' in result) return notReviewed(subject, result.reason);
    const unread = result.unread.slice(0, MAX_OF_A_KIND).map(({ line, endLine, at }) => ({
      subject: subject.name,
      line,
      note: `lines ${line} to ${endLine} were not reviewed: line ${at} is not of the language as this reads it`,
    }));
    return this.#finish(subject, {
      family: 'source',
      claims: result.claims,
      notes: unread,
      unfinished: result.unfinished,
    });
  }

  #ruleset(subject: Subject): SubjectReport {
    const budget = new Budget(this.#limits);
    const ruleset = readRuleset(subject);
    const live = subject.kind === 'live' ? liveParts(subject.text) : null;
    const view = new RulesetView(subject.name, ruleset, { host: this.#host, budget });
    const { claims, unfinished } = this.#rulesetClaims(view, budget);
    const notes = [
      ...ruleset.unread.slice(0, MAX_OF_A_KIND).map(({ line, text }) => ({ subject: subject.name, line, note: `not read: ${text}` })),
      ...(live ? [linesNote(subject.name, live)] : []),
      ...opaqueNote(subject.name, ruleset),
      ...unreachedNote(subject.name, view),
    ];
    return this.#finish(subject, { family: 'ruleset', claims, notes, unfinished }, live ? liveLines(live) : undefined);
  }

  #config(subject: Subject, kind: ConfigKind): SubjectReport {
    const document = readConfigDocument(kind, subject);
    const claims: Made[] = [];
    for (const rule of CONFIG_RULES.filter((one) => this.#mayApply(one)))
      rule.check(document, (claim) => claims.push({ rule, claim }), this.#host);
    const budget = new Budget(this.#limits);
    const view = new RulesetView(subject.name, NO_RULESET, { host: this.#host, budget, others: document.assignments });
    const assigned = this.#rulesetClaims(view, budget);
    return this.#finish(subject, {
      family: 'configuration',
      claims: [...claims, ...assigned.claims],
      notes: [],
      unfinished: assigned.unfinished,
    });
  }

  #rulesetClaims(view: RulesetView, budget: Budget): { claims: Made[]; unfinished: string[] } {
    const claims: Made[] = [];
    const rules = RULESET_RULES.filter((one) => this.#mayApply(one));
    const unfinished = runRules(rules, budget, {
      check: (rule, report: (claim: Claim) => void) => rule.check(view, report),
      report: (rule, claim) => claims.push({ rule, claim }),
    });
    return { claims, unfinished };
  }

  #mayApply(rule: RuleInfo): boolean {
    return [rule.cwe, ...(rule.alsoCwes ?? [])].some((cwe) => isChosen(this.#types, cwe));
  }

  #finish(
    subject: Subject,
    made: { family: SubjectFamily; claims: readonly Made[]; notes: readonly Note[]; unfinished: readonly string[] },
    lines: readonly string[] = subject.text.split('\n'),
  ): SubjectReport {
    const findings = made.claims
      .map(({ rule, claim }) => findingOf(subject, rule, claim))
      .filter(({ cwe }) => isChosen(this.#types, cwe))
      .sort(compareFindings);
    const worst = worstOf(findings);
    const left = findings.length - worst.length;
    const cut =
      left > 0 ? [{ subject: subject.name, line: null, note: `${left} more findings, none worse than those shown, are left out` }] : [];
    const { findings: marked, problems } = applySuppressions(withFingerprints(worst, lines), suppressionsIn(subject.text));
    return {
      reviewed: { name: subject.name, family: made.family, lines: lines.length, unfinished: made.unfinished },
      findings: marked,
      notes: [...unfinishedNote(subject.name, made.unfinished), ...made.notes, ...cut, ...problemNotes(subject.name, problems)].slice(
        0,
        MAX_NOTES,
      ),
    };
  }
}

function notReviewed({ name }: Subject, reason: string): SubjectReport {
  return { reviewed: null, findings: [], notes: [{ subject: name, line: null, note: reason, level: 'error' }] };
}

/** The other subjects are reviewed whatever becomes of one; a defect of our own is said to be one. */
function whyNot({ name }: Subject, error: unknown): string {
  if (error instanceof OutOfSteps || error instanceof Aborted) return error.message;
  if (error instanceof PinholeError) return error.message.replace(`${name}: `, '');
  return `${OWN_DEFECT}: ${(error as Error).message}`;
}

/** How a note begins that asks for a report. */
export const OWN_DEFECT = 'not reviewed, for a defect of the reviewer';

/** More of one subject than anybody reads. */
const MAX_FINDINGS = 1000;
const MAX_NOTES = 100;
const MAX_OF_A_KIND = 50;

function problemNotes(name: string, problems: Applied['problems']): Note[] {
  const notes = problems.slice(0, MAX_OF_A_KIND).map(({ line, problem }) => ({ subject: name, line, note: problem }));
  const left = problems.length - notes.length;
  return left > 0 ? [...notes, { subject: name, line: null, note: `${left} more suppressions count for nothing` }] : notes;
}

function worstOf(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= MAX_FINDINGS) return findings;
  const rank = ({ severity }: Finding) => SEVERITIES.indexOf(severity);
  return [...findings]
    .sort((a, b) => rank(b) - rank(a))
    .slice(0, MAX_FINDINGS)
    .sort(compareFindings);
}

interface Made {
  readonly rule: RuleInfo;
  readonly claim: Claim;
}

function unfinishedNote(name: string, unfinished: readonly string[]): Note[] {
  if (unfinished.length === 0) return [];
  const note = `not finished, since it takes more steps than one subject may: ${unfinished.join(', ')}`;
  return [{ subject: name, line: null, note, level: 'error' }];
}

/** Chains that packets come to from somewhere else, or never: what they do with them was not tried. */
function unreachedNote(name: string, view: RulesetView): Note[] {
  const chains = view.ruleset.chains.filter((chain) => chain.rules.length > 0 && view.contextsOf(chain).length === 0);
  const [first] = chains;
  if (!first) return [];
  const names = chains.slice(0, 5).map((chain) => view.symbol(chain));
  const more = chains.length > names.length ? ` and ${chains.length - names.length} more` : '';
  return [{ subject: name, line: first.line, note: `no hook here leads to ${names.join(', ')}${more}: their rules were not tried` }];
}

/** Whose lines they are, where that is not a file's. */
function linesNote(name: string, { iptables, ip6tables }: LiveRules): Note {
  const rest = [iptables === null ? [] : 'iptables-save', ip6tables === null ? [] : 'ip6tables-save'].flat();
  const then = rest.length > 0 ? `, then of ${rest.map((one) => `\`${one}\``).join(' and ')}` : '';
  return { subject: name, line: null, note: `lines are those of \`nft -a list ruleset\`${then}` };
}

function opaqueNote(name: string, ruleset: Ruleset): Note[] {
  const count = ruleset.chains.reduce((sum, { rules }) => sum + rules.filter(({ opaque }) => opaque).length, 0);
  if (count === 0) return [];
  return [
    {
      subject: name,
      line: null,
      note: `${count} rules carry matches of iptables that nft cannot show: review the output of iptables-save and ip6tables-save too`,
    },
  ];
}

/** Of a line, what stays the same; handles are given anew whenever rules are loaded. */
function lineFingerprint(line: string): string {
  return line
    .replace(/\s+/g, ' ')
    .replace(/ # handle \d+$/, '')
    .trim()
    .slice(0, 500);
}

function findingOf(subject: Subject, rule: RuleInfo, claim: Claim): Finding {
  if (claim.evidence.length === 0) throw new Error(`${rule.id} reports without evidence`);
  const cwe = claim.cwe ?? rule.cwe;
  return { ...claim, rule: rule.id, cwe, pillar: pillarOf(cwe), subject: subject.name, fingerprint: '', suppressed: null };
}

/** Of rule, subject, symbol and text of the line; where those are alike, also of how many there were before. */
function withFingerprints(findings: readonly Finding[], lines: readonly string[]): Finding[] {
  const counts = new Map<string, number>();
  const texts = new Map<number, string>();
  return findings.map((finding) => {
    const text = texts.get(finding.line) ?? lineFingerprint(lines[finding.line - 1] ?? '');
    texts.set(finding.line, text);
    const symbol = (finding.symbol ?? '').replace(/ handle \d+$/, '');
    // Where all is one line, the fact that it rests on says which part.
    const fact = lines.length < 3 ? (finding.evidence.find(({ line }) => line !== null)?.fact ?? '') : '';
    const key = [finding.rule, finding.subject.replace(/^.*\//, ''), symbol, text, fact].join('\0');
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return { ...finding, fingerprint: fingerprintOf(key, count) };
  });
}
