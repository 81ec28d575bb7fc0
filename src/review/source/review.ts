import { Aborted, Budget, OutOfSteps, runRules } from '../budget.ts';
import type { Claim } from '../finding.ts';
import type { Comment } from './ir.ts';
import { Lines, TooDeep } from './lowering.ts';
import { SourceModule } from './module.ts';
import { type FileFacts, factsOf } from './project/facts.ts';
import type { Project } from './project/project.ts';
import { View } from './project/view.ts';
import { lowerPython } from './python.ts';
import type { SourceRule } from './rule.ts';
import type { LanguageName, Stopped, SyntaxParser } from './syntax.ts';
import { lowerTypescript } from './typescript.ts';

/** The review of one source file. */
export interface SourceReview {
  readonly claims: readonly { readonly rule: SourceRule; readonly claim: Claim }[];
  readonly module: SourceModule;
  /** Definitions that were cut because of a syntax error at line `at`. */
  readonly unread: readonly { readonly line: number; readonly endLine: number; readonly at: number }[];
  /** Ids of rules that ran out of steps. */
  readonly unfinished: readonly string[];
  readonly comments: readonly Comment[];
}

/** Why a file was not reviewed, in words for users. */
export interface NotReviewed {
  readonly reason: string;
}

/** A file of source code. */
export interface SourceFile {
  readonly path: string;
  readonly language: LanguageName;
  readonly text: string;
}

/** What a review of a file needs beside the file. */
export interface SourceReviewOptions {
  readonly rules: readonly SourceRule[];
  readonly budget?: Budget;
  /** What the files around tell, this one included; null: the file is alone. */
  readonly project?: Project | null;
}

/**
 * Parses one file and runs the rules over it. Pure, apart from the backstop of the budget: the same text in the same project gives
 * the same claims.
 * @param parser has loaded the language
 */
export function reviewSource(parser: SyntaxParser, file: SourceFile, options: SourceReviewOptions): SourceReview | NotReviewed {
  const { rules, budget = new Budget(), project = null } = options;
  return bounded(() => {
    const parsed = moduleOf(parser, file, budget);
    if ('reason' in parsed) return parsed;
    const { module, unread } = parsed;
    const view = new View(module, project);
    const relevant = rules.filter(({ hint }) => hint === undefined || hint.test(file.text));
    const claims: { rule: SourceRule; claim: Claim }[] = [];
    const unfinished = runRules(relevant, budget, {
      check: (rule, report: (claim: Claim) => void) => rule.check(module, report, view),
      report: (rule, claim) => claims.push({ rule, claim }),
    });
    return { claims, module, unread, unfinished, comments: module.comments };
  });
}

/**
 * What a file tells the project; null: it cannot be read, and tells nothing.
 * @param parser has loaded the language
 */
export function learnSource(parser: SyntaxParser, file: SourceFile, budget = new Budget()): FileFacts | null {
  const learned = bounded(() => {
    const parsed = moduleOf(parser, file, budget);
    return 'reason' in parsed ? parsed : factsOf(parsed.module);
  });
  return 'reason' in learned ? null : learned;
}

/** Work that gives up, with the reason, if the file is too large for it. */
function bounded<T>(work: () => T): T | NotReviewed {
  try {
    return work();
  } catch (error) {
    if (error instanceof TooDeep || error instanceof RangeError) return { reason: STOPPED.depth };
    if (error instanceof OutOfSteps || error instanceof Aborted) return { reason: error.message };
    throw error;
  }
}

function moduleOf(
  parser: SyntaxParser,
  file: SourceFile,
  budget: Budget,
): { readonly module: SourceModule; readonly unread: SourceReview['unread'] } | NotReviewed {
  const parsed = parser.parse(file.language, file.text, budget);
  const lines = new Lines(file.text);
  if ('unreadable' in parsed) return { reason: `line ${lines.of(parsed.unreadable)} cannot be parsed as ${NAMES[file.language]}` };
  if ('stopped' in parsed) return { reason: STOPPED[parsed.stopped] };
  const unread = parsed.broken.map(({ start, end, at }) => ({ line: lines.of(start), endLine: lines.of(end - 1), at: lines.of(at) }));
  const lower = file.language === 'python' ? lowerPython : lowerTypescript;
  const lowered = lower(parsed.root, lines, budget);
  return { module: new SourceModule(file.path, file.language, { lowered, lines, budget }), unread };
}

const STOPPED: Readonly<Record<Stopped, string>> = {
  depth: 'it is nested too deeply',
  name: 'it contains a name that is too long',
  size: 'it has too many syntax nodes',
};

const NAMES: Readonly<Record<LanguageName, string>> = { python: 'Python', typescript: 'TypeScript', tsx: 'TypeScript (tsx)' };
