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
import type { FileFacts } from './source/project/facts.ts';
import { Project } from './source/project/project.ts';
import { learnSource, reviewSource } from './source/review.ts';
import { SOURCE_RULES } from './source/rules/index.ts';
import { type LanguageName, SyntaxParser } from './source/syntax.ts';
import type { Subject } from './subject.ts';
import { type Applied, applySuppressions, suppressionsIn } from './suppression.ts';

/** A subject that was reviewed, as the report lists it. */
export interface Reviewed {
  /** {@link Subject.name}. */
  readonly name: string;
  readonly family: SubjectFamily;
  readonly lines: number;
  /** Ids of rules that ran out of steps. The findings that they made before that are reported. */
  readonly unfinished: readonly string[];
}

/** A remark about a subject that is no finding. */
export interface Note {
  readonly subject: string;
  /** From 1; null: the note is about the whole subject. */
  readonly line: number | null;
  readonly note: string;
  /** Set if the subject, or a part of it, was not reviewed. */
  readonly level?: 'error';
}

/** The result of reviewing one subject. */
export interface SubjectReport {
  /** null: the subject could not be read as its kind; a note says why. */
  readonly reviewed: Reviewed | null;
  readonly findings: readonly Finding[];
  readonly notes: readonly Note[];
}

/** Options of {@link ReviewEngine}. */
export interface EngineOptions {
  /** Defect types to report; all by default. */
  readonly types?: Types;
  /** Facts about the host that rulesets are for; unknown by default. */
  readonly host?: HostFacts;
  /** Bounds on the work for one subject. */
  readonly limits?: Partial<Limits>;
}

const READ_RULESET = { nft: readNftText, 'nft-json': readNftJson, iptables: readIptablesSave, live: readLive } as const;
/** A configuration file has no chains; the ruleset rules see only its assignments. */
const NO_RULESET: Ruleset = { format: 'nft', chains: [], helpers: [], unread: [] };

/**
 * Reads a subject of a ruleset kind (`nft`, `nft-json`, `iptables` or `live`).
 * @throws InvalidInput that names the line; Error if the subject is of another kind
 */
export function readRuleset({ kind, text, name }: Subject): Ruleset {
  const read = READ_RULESET[kind as keyof typeof READ_RULESET];
  if (!read) throw new Error(`${name} is no ruleset`);
  return read(text, name);
}

/** Reviews subjects one by one. The first subject of source code starts the parser. */
export class ReviewEngine {
  readonly #types: Types;
  readonly #host: HostFacts;
  readonly #limits: Partial<Limits>;
  #parser: SyntaxParser | null = null;
  readonly #facts = new Map<string, FileFacts>();
  #project: Project | null = null;

  constructor({ types = ALL_TYPES, host = NO_HOST, limits = {} }: EngineOptions = {}) {
    this.#types = types;
    this.#host = host;
    this.#limits = limits;
  }

  /** Reviews one subject. A subject that cannot be read gives a report with a note, not an error. */
  async review(subject: Subject): Promise<SubjectReport> {
    const { kind } = subject;
    try {
      if (kind === 'python' || kind === 'typescript' || kind === 'tsx') return await this.#source(subject, kind);
      return kind in READ_RULESET ? this.#ruleset(subject) : this.#config(subject, kind as ConfigKind);
    } catch (error) {
      return notReviewed(subject, whyNot(subject, error));
    }
  }

  /**
   * Reads a file of source code for what it tells about itself, so that reviews of the files around it know it. Other subjects tell
   * nothing.
   */
  async learn(subject: Subject): Promise<void> {
    const { kind, name, text } = subject;
    if (kind !== 'python' && kind !== 'typescript' && kind !== 'tsx') return;
    const parser = await this.#loaded(kind);
    const facts = learnSource(parser, { path: name, language: kind, text }, new Budget(this.#limits));
    if (!facts) return;
    this.#facts.set(name, facts);
    this.#project = null;
  }

  /** Frees the parser. A later {@link review} starts a new one. */
  close(): void {
    this.#parser?.close();
    this.#parser = null;
  }

  /** Source code: parse, lower, run the source rules. */
  async #source(subject: Subject, language: LanguageName): Promise<SubjectReport> {
    const parser = await this.#loaded(language);
    this.#project ??= new Project([...this.#facts.values()]);
    const rules = SOURCE_RULES.filter((rule) => this.#mayApply(rule));
    const result = reviewSource(
      parser,
      { path: subject.name, language, text: subject.text },
      { rules, budget: new Budget(this.#limits), project: this.#project },
    );
    if ('reason' in result) return notReviewed(subject, result.reason);
    const unread = result.unread.slice(0, MAX_OF_A_KIND).map(({ line, endLine, at }) => ({
      subject: subject.name,
      line,
      note: `lines ${line} to ${endLine} were not reviewed: the parser does not understand line ${at}`,
      level: 'error' as const,
    }));
    return this.#finish(subject, {
      family: 'source',
      claims: result.claims,
      notes: unread,
      unfinished: result.unfinished,
    });
  }

  async #loaded(language: LanguageName): Promise<SyntaxParser> {
    this.#parser ??= await SyntaxParser.create();
    await this.#parser.load(language);
    return this.#parser;
  }

  /** A ruleset, from a file or a live namespace. */
  #ruleset(subject: Subject): SubjectReport {
    const budget = new Budget(this.#limits);
    const ruleset = readRuleset(subject);
    const live = subject.kind === 'live' ? liveParts(subject.text) : null;
    const view = new RulesetView(subject.name, ruleset, { host: this.#host, budget });
    const { claims, unfinished } = this.#rulesetClaims(view, budget);
    const notes = [
      ...ruleset.unread
        .slice(0, MAX_OF_A_KIND)
        .map(({ line, text }) => ({ subject: subject.name, line, note: `not read: ${text}`, level: 'error' as const })),
      ...(live ? [linesNote(subject.name, live)] : []),
      ...opaqueNote(subject.name, ruleset),
      ...unreachedNote(subject.name, view),
    ];
    return this.#finish(subject, { family: 'ruleset', claims, notes, unfinished }, live ? liveLines(live) : undefined);
  }

  /** A configuration file: its own rules, then the ruleset rules over the helpers that it assigns. */
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

  /** Whether a rule can report a weakness that was asked for. */
  #mayApply(rule: RuleInfo): boolean {
    return [rule.cwe, ...(rule.alsoCwes ?? [])].some((cwe) => isChosen(this.#types, cwe));
  }

  /**
   * Turns claims into findings: filtered by type, sorted, cut to {@link MAX_FINDINGS}, fingerprinted, and with suppressions
   * applied.
   */
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
      left > 0 ? [{ subject: subject.name, line: null, note: `${left} more findings are left out, none worse than those shown` }] : [];
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

/** The report of a subject that was not reviewed at all. */
function notReviewed({ name }: Subject, reason: string): SubjectReport {
  return { reviewed: null, findings: [], notes: [{ subject: name, line: null, note: reason, level: 'error' }] };
}

/** The reason for a note. An error in one subject does not stop the review of the others; a defect of the reviewer is named as such. */
function whyNot({ name }: Subject, error: unknown): string {
  if (error instanceof OutOfSteps || error instanceof Aborted) return error.message;
  if (error instanceof PinholeError) return error.message.replace(`${name}: `, '');
  return `${OWN_DEFECT}: ${(error as Error).message}`;
}

/** Beginning of a note about a defect of the reviewer. Users should report these. */
export const OWN_DEFECT = 'not reviewed because of a defect in the reviewer';

/** Bounds on the report of one subject: longer ones are not read. */
const MAX_FINDINGS = 1000;
const MAX_NOTES = 100;
/** Of one kind of note, such as statements that could not be read. */
const MAX_OF_A_KIND = 50;

/** Notes about suppressions that have no effect. */
function problemNotes(name: string, problems: Applied['problems']): Note[] {
  const notes = problems.slice(0, MAX_OF_A_KIND).map(({ line, problem }) => ({ subject: name, line, note: problem }));
  const left = problems.length - notes.length;
  return left > 0 ? [...notes, { subject: name, line: null, note: `${left} more suppressions have no effect` }] : notes;
}

/** The findings that are kept: the most severe ones, in the order of the subject. */
function worstOf(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= MAX_FINDINGS) return findings;
  const rank = ({ severity }: Finding) => SEVERITIES.indexOf(severity);
  return [...findings]
    .sort((a, b) => rank(b) - rank(a))
    .slice(0, MAX_FINDINGS)
    .sort(compareFindings);
}

/** A claim with the rule that made it. */
interface Made {
  readonly rule: RuleInfo;
  readonly claim: Claim;
}

function unfinishedNote(name: string, unfinished: readonly string[]): Note[] {
  if (unfinished.length === 0) return [];
  const note = `not finished, because the limit of steps for one subject was reached: ${unfinished.join(', ')}`;
  return [{ subject: name, line: null, note, level: 'error' }];
}

/** Chains without a path from a base chain. No packet was tried against their rules. */
function unreachedNote(name: string, view: RulesetView): Note[] {
  const chains = view.ruleset.chains.filter((chain) => chain.rules.length > 0 && view.contextsOf(chain).length === 0);
  const [first] = chains;
  if (!first) return [];
  const names = chains.slice(0, 5).map((chain) => view.symbol(chain));
  const more = chains.length > names.length ? ` and ${chains.length - names.length} more` : '';
  return [{ subject: name, line: first.line, note: `no base chain jumps to ${names.join(', ')}${more}: their rules were not tried` }];
}

/** Says which listing the line numbers of a live ruleset refer to. */
function linesNote(name: string, { iptables, ip6tables }: LiveRules): Note {
  const rest = [iptables === null ? [] : 'iptables-save', ip6tables === null ? [] : 'ip6tables-save'].flat();
  const then = rest.length > 0 ? `, then of ${rest.map((one) => `\`${one}\``).join(' and ')}` : '';
  return { subject: name, line: null, note: `line numbers are those of \`nft -a list ruleset\`${then}` };
}

/** Says that a listing hides iptables matches (`xt`), which only iptables-save prints. */
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

/** A line without what varies: white space, and the handle, which changes whenever rules are loaded. At most 500 characters. */
function lineFingerprint(line: string): string {
  return line
    .replace(/\s+/g, ' ')
    .replace(/ # handle \d+$/, '')
    .trim()
    .slice(0, 500);
}

/** A finding without its fingerprint, which {@link withFingerprints} sets. */
function findingOf(subject: Subject, rule: RuleInfo, claim: Claim): Finding {
  if (claim.evidence.length === 0) throw new Error(`${rule.id} reports without evidence`);
  const cwe = claim.cwe ?? rule.cwe;
  return { ...claim, rule: rule.id, cwe, pillar: pillarOf(cwe), subject: subject.name, fingerprint: '', suppressed: null };
}

/** Sets fingerprints: a hash of rule, file name, symbol and line text. Equal ones are told apart by their ordinal. */
function withFingerprints(findings: readonly Finding[], lines: readonly string[]): Finding[] {
  const counts = new Map<string, number>();
  const texts = new Map<number, string>();
  return findings.map((finding) => {
    const text = texts.get(finding.line) ?? lineFingerprint(lines[finding.line - 1] ?? '');
    texts.set(finding.line, text);
    const symbol = (finding.symbol ?? '').replace(/ handle \d+$/, '');
    // If the whole subject is one line (JSON), its text tells nothing apart: the first fact does.
    const fact = lines.length < 3 ? (finding.evidence.find(({ line }) => line !== null)?.fact ?? '') : '';
    const key = [finding.rule, finding.subject.replace(/^.*\//, ''), symbol, text, fact].join('\0');
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return { ...finding, fingerprint: fingerprintOf(key, count) };
  });
}
