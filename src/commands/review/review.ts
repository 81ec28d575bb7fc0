import { HOST_NETNS } from '../../contract/netns.ts';
import type { LiveRules } from '../../inspect/live-rules.ts';
import { Reported } from '../../model/errors.ts';
import { systemClock } from '../../ports/clock.ts';
import { applyBaseline, writeBaseline } from '../../review/baseline.ts';
import { ReviewEngine, type SubjectReport } from '../../review/engine.ts';
import { type FileCandidate, type Found, filesUnder, readStream, readSubject, type Unread } from '../../review/files.ts';
import type { Severity } from '../../review/finding.ts';
import { failing, makeReport, notTried, type Report } from '../../review/report.ts';
import { REPORTERS } from '../../review/reporters/index.ts';
import { NO_HOST } from '../../review/ruleset/view.ts';
import type { Subject, SubjectKind } from '../../review/subject.ts';
import { Progress } from '../../terminal/progress.ts';
import { VERSION } from '../../version.ts';
import { type ReviewFlags, readFlags } from './flags.ts';

/**
 * Reviews files, folders and live rulesets, and writes the report.
 * @throws InvalidInput for a flag; Reported, after the report, if a finding is as severe as `--fail-on` says or a subject was not
 * reviewed
 */
export async function review(paths: readonly string[], flags: ReviewFlags): Promise<void> {
  const wanted = readFlags(paths, flags);
  const live = await liveRules(flags);
  const host = live?.host ?? { ...NO_HOST, kernel: flags.kernel ?? null };
  const engine = new ReviewEngine({ types: wanted.types, host });
  const parts: SubjectReport[] = [];
  const unread: Unread[] = [];
  const subjects: Subject[] = [];
  const given = [...(live ? [{ subject: live.subject }] : []), ...(await piped(paths, wanted.kind))];
  const candidates: readonly Candidate[] = [...given, ...filesUnder(paths.filter((path) => path !== PIPE))];
  const progress = new Progress('reviewed', systemClock);
  try {
    await learn(engine, candidates, wanted.kind);
    for (const [index, candidate] of candidates.entries()) {
      const found = 'path' in candidate ? readSubject(candidate, wanted.kind) : candidate;
      if (found && 'unread' in found) unread.push(found.unread);
      else if (found) {
        parts.push(await engine.review(found.subject));
        if (flags.prove || flags.secondReader) subjects.push(found.subject);
      }
      progress.update(index + 1, candidates.length);
    }
  } finally {
    progress.end();
    engine.close();
  }
  const proved = flags.prove ? await (await import('../../proof/prove.ts')).prove(subjects, parts) : parts;
  const read = flags.secondReader ? await (await import('../../inspect/second-reading.ts')).secondReading(subjects, flags.config) : null;
  const notes = [
    ...unread.map(({ name, reason }) => ({ subject: name, line: null, note: `not reviewed: ${reason}`, level: 'error' as const })),
    ...(read?.notes ?? []),
  ];
  const accepted = proved.map((part) => ({ ...part, findings: applyBaseline(part.findings, wanted.known) }));
  const report = makeReport(wanted.types, [...accepted, ...(read?.parts ?? [])], {
    notes,
    secondReader: read?.counts ?? null,
  });
  wanted.baseline?.(writeBaseline([...report.suppressed, ...report.findings], wanted.known, 'known when the baseline was written'));
  wanted.output(REPORTERS[wanted.format](report, { version: VERSION }));
  conclude(report, {
    failOn: wanted.failOn,
    named: unread.filter(({ name }) => name === STDIN || paths.includes(name)),
    broken: parts.filter(({ reviewed }) => reviewed === null).length,
  });
}

type Candidate = FileCandidate | Found;

/** Lets the engine know all files first: a review of one of them asks what the others tell. A file that cannot be read is named later. */
async function learn(engine: ReviewEngine, candidates: readonly Candidate[], kind: SubjectKind | null): Promise<void> {
  if (candidates.length < 2) return;
  for (const candidate of candidates) {
    const found = 'path' in candidate ? readSubject(candidate, kind) : candidate;
    if (found && 'subject' in found) await engine.learn(found.subject);
  }
}

/** The path for standard input, and its name in reports. */
const PIPE = '-';
const STDIN = 'stdin';

async function piped(paths: readonly string[], kind: SubjectKind | null): Promise<Found[]> {
  return paths.includes(PIPE) ? [await readStream(STDIN, process.stdin, kind)] : [];
}

/** The live rules of the namespace that flags name; null without such a flag, and then the kernel's modules are not loaded. */
async function liveRules(flags: ReviewFlags): Promise<LiveRules | null> {
  if (flags.netns === undefined && !flags.hostNetns) return null;
  const live = await import('../../inspect/live-rules.ts');
  return live.liveRules(flags.netns ?? HOST_NETNS);
}

function conclude(report: Report, outcome: { failOn: Severity | null; named: readonly Unread[]; broken: number }): void {
  const [missing] = outcome.named;
  if (missing)
    throw new Reported(/no such file/.test(missing.reason) ? 'not-found' : 'review-failed', `${missing.name}: ${missing.reason}.`);
  if (outcome.broken > 0)
    throw new Reported(
      'review-failed',
      `${outcome.broken} ${outcome.broken === 1 ? 'subject was' : 'subjects were'} not reviewed: see the notes.`,
    );
  if (outcome.failOn === null) return;
  const gaps = notTried(report).length;
  if (gaps > 0)
    throw new Reported(
      'review-failed',
      `${gaps} ${gaps === 1 ? 'part of the subjects was' : 'parts of the subjects were'} not tried: see the notes.`,
    );
  const bad = failing(report, outcome.failOn);
  if (bad.length > 0)
    throw new Reported('review-failed', `${bad.length} ${bad.length === 1 ? 'finding is' : 'findings are'} ${outcome.failOn} or worse.`);
}
