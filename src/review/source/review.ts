import { Aborted, Budget, OutOfSteps, runRules } from '../budget.ts';
import type { Claim } from '../finding.ts';
import type { Comment } from './ir.ts';
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
  /** Rules whose steps did not suffice. */
  readonly unfinished: readonly string[];
  readonly comments: readonly Comment[];
}

/** Why a file was not reviewed, for people. */
export interface NotReviewed {
  readonly reason: string;
}

/** Reviews one file. Pure, but for the backstop of the budget: the same text gives the same claims. */
export function reviewSource(
  parser: SyntaxParser,
  file: { readonly path: string; readonly language: LanguageName; readonly text: string },
  rules: readonly SourceRule[],
  budget = new Budget(),
): SourceReview | NotReviewed {
  try {
    return reviewed(parser, file, { rules, budget });
  } catch (error) {
    if (error instanceof TooDeep || error instanceof RangeError) return { reason: STOPPED.depth };
    if (error instanceof OutOfSteps || error instanceof Aborted) return { reason: error.message };
    throw error;
  }
}

function reviewed(
  parser: SyntaxParser,
  file: { readonly path: string; readonly language: LanguageName; readonly text: string },
  { rules, budget }: { readonly rules: readonly SourceRule[]; readonly budget: Budget },
): SourceReview | NotReviewed {
  const parsed = parser.parse(file.language, file.text, budget);
  const lines = new Lines(file.text);
  if ('unreadable' in parsed) return { reason: `line ${lines.of(parsed.unreadable)} is not ${NAMES[file.language]} that this can read` };
  if ('stopped' in parsed) return { reason: STOPPED[parsed.stopped] };
  const unread = parsed.broken.map(({ start, end, at }) => ({ line: lines.of(start), endLine: lines.of(end - 1), at: lines.of(at) }));
  const lower = file.language === 'python' ? lowerPython : lowerTypescript;
  const lowered = lower(parsed.root, lines, budget);
  const module = new SourceModule(file.path, file.language, { lowered, lines, budget });
  const relevant = rules.filter(({ hint }) => hint === undefined || hint.test(file.text));
  const claims: { rule: SourceRule; claim: Claim }[] = [];
  const unfinished = runRules(relevant, budget, {
    check: (rule, report: (claim: Claim) => void) => rule.check(module, report),
    report: (rule, claim) => claims.push({ rule, claim }),
  });
  return { claims, module, unread, unfinished, comments: lowered.comments };
}

const STOPPED: Readonly<Record<Stopped, string>> = {
  depth: 'it is nested too deeply',
  name: 'it has a name that is longer than people write',
  size: 'it consists of more parts than source that people write',
};

const NAMES: Readonly<Record<LanguageName, string>> = { python: 'Python', typescript: 'TypeScript', tsx: 'TypeScript (tsx)' };
