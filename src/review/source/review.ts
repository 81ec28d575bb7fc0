import { Budget, REVIEW_MS, runRules } from '../budget.ts';
import type { Claim } from '../finding.ts';
import type { Comment, Lowered } from './ir.ts';
import { Lines, TooDeep } from './lowering.ts';
import { SourceModule } from './module.ts';
import { lowerPython } from './python.ts';
import type { SourceRule } from './rule.ts';
import type { LanguageName, Stopped, SyntaxParser } from './syntax.ts';
import { lowerTypescript } from './typescript.ts';

export interface SourceReview {
  readonly claims: readonly { readonly rule: SourceRule; readonly claim: Claim }[];
  readonly module: SourceModule;
  /** Definitions that could not be read, by their lines. */
  readonly unread: readonly { readonly line: number; readonly endLine: number; readonly at: number }[];
  /** Rules that there was no time for. */
  readonly untried: readonly string[];
  readonly comments: readonly Comment[];
}

/** Why a file was not reviewed, for people. */
export interface NotReviewed {
  readonly reason: string;
}

/** Reviews one file. Pure: the same text gives the same claims. */
export function reviewSource(
  parser: SyntaxParser,
  file: { readonly path: string; readonly language: LanguageName; readonly text: string },
  rules: readonly SourceRule[],
): SourceReview | NotReviewed {
  const budget = new Budget(REVIEW_MS);
  const parsed = parser.parse(file.language, file.text);
  const lines = new Lines(file.text);
  if ('unreadable' in parsed) return { reason: `line ${lines.of(parsed.unreadable)} is not ${NAMES[file.language]} that this can read` };
  if ('stopped' in parsed) return { reason: STOPPED[parsed.stopped] };
  const unread = parsed.broken.map(({ start, end, at }) => ({ line: lines.of(start), endLine: lines.of(end - 1), at: lines.of(at) }));
  try {
    const lowered: Lowered = file.language === 'python' ? lowerPython(parsed.root, lines) : lowerTypescript(parsed.root, lines);
    const module = new SourceModule(file.path, file.language, { lowered, lines, budget });
    const relevant = rules.filter(({ hint }) => hint === undefined || hint.test(file.text));
    const claims: { rule: SourceRule; claim: Claim }[] = [];
    const untried = runRules(relevant, (rule) => rule.check(module, (claim) => claims.push({ rule, claim })));
    return { claims, module, unread, untried, comments: lowered.comments };
  } catch (error) {
    if (error instanceof TooDeep || error instanceof RangeError) return { reason: STOPPED.depth };
    throw error;
  }
}

const STOPPED: Readonly<Record<Stopped, string>> = {
  time: 'parsing it takes too long',
  depth: 'it is nested too deeply',
  size: 'it consists of more parts than source that people write',
};

const NAMES: Readonly<Record<LanguageName, string>> = { python: 'Python', typescript: 'TypeScript', tsx: 'TypeScript (tsx)' };
