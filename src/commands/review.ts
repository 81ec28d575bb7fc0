import { readFileSync } from 'node:fs';
import { HOST_NETNS } from '../contract/netns.ts';
import type { LiveRules } from '../inspect/live-rules.ts';
import { InvalidInput, Reported } from '../model/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { silentLogger } from '../ports/logger.ts';
import { systemPorts } from '../ports/ports.ts';
import { applyBaseline, type BaselineEntry, readBaseline, writeBaseline } from '../review/baseline.ts';
import { parseType } from '../review/cwe.ts';
import { ReviewEngine, type SubjectReport } from '../review/engine.ts';
import { type FileCandidate, type Found, filesUnder, readStream, readSubject, type Unread } from '../review/files.ts';
import { SEVERITIES, type Severity } from '../review/finding.ts';
import { failing, makeReport, type Report } from '../review/report.ts';
import { type Format, REPORTERS } from '../review/reporters/index.ts';
import { ALL_TYPES, type Types } from '../review/rules.ts';
import { NO_HOST } from '../review/ruleset/view.ts';
import { SUBJECT_KINDS, type Subject, type SubjectKind } from '../review/subject.ts';
import { outputFile } from '../terminal/output-file.ts';
import { Progress } from '../terminal/progress.ts';
import { print } from '../terminal/table.ts';
import { VERSION } from '../version.ts';

export interface ReviewFlags {
  readonly netns?: string;
  readonly hostNetns?: boolean;
  readonly types?: string;
  readonly format?: string;
  readonly json?: boolean;
  readonly kind?: string;
  readonly kernel?: string;
  readonly failOn?: string;
  readonly baseline?: string;
  readonly writeBaseline?: string;
  readonly output?: string;
  readonly prove?: boolean;
  readonly config?: string;
  readonly secondReader?: boolean;
}

/** Reviews files, folders, and live rulesets. Exit 1 where something is as bad as `--fail-on` says, or was not reviewed. */
export async function review(paths: readonly string[], flags: ReviewFlags): Promise<void> {
  const wanted = readFlags(paths, flags);
  const live = await liveRules(flags);
  const host = live?.host ?? { ...NO_HOST, kernel: flags.kernel ?? null };
  const engine = new ReviewEngine({ types: wanted.types, host });
  const parts: SubjectReport[] = [];
  const unread: Unread[] = [];
  const subjects: Subject[] = [];
  const candidates: Candidate[] = [...(live ? [{ subject: live.subject }] : []), ...(await piped(paths, wanted.kind))];
  candidates.push(...filesUnder(paths.filter((path) => path !== PIPE)));
  const progress = new Progress('reviewed', systemClock);
  try {
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
  const proved = flags.prove ? await (await import('../proof/prove.ts')).prove(subjects, parts) : parts;
  const read = flags.secondReader ? await (await import('../inspect/second-reading.ts')).secondReading(subjects, flags.config) : null;
  const notes = [
    ...unread.map(({ name, reason }) => ({ subject: name, line: null, note: `not reviewed: ${reason}` })),
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

/** The path that stands for standard input, and what reports call it. */
const PIPE = '-';
const STDIN = 'stdin';

async function piped(paths: readonly string[], kind: SubjectKind | null): Promise<Found[]> {
  return paths.includes(PIPE) ? [await readStream(STDIN, process.stdin, kind)] : [];
}

interface Wanted {
  readonly types: Types;
  readonly format: Format;
  readonly kind: SubjectKind | null;
  readonly failOn: Severity | null;
  readonly known: readonly BaselineEntry[];
  readonly baseline: ((text: string) => void) | null;
  readonly output: (text: string) => void;
}

function readFlags(paths: readonly string[], flags: ReviewFlags): Wanted {
  if (paths.length === 0 && flags.netns === undefined && !flags.hostNetns)
    throw new InvalidInput('path', 'Nothing to review: name files or folders, or - for standard input, or --netns NAME, or --host-netns.');
  const format = flags.format ?? (flags.json ? 'json' : 'by-type');
  if (!Object.hasOwn(REPORTERS, format))
    throw new InvalidInput('format', `Invalid input for --format. It is one of ${Object.keys(REPORTERS).join(', ')}.`);
  const { kind = null, failOn = null } = flags;
  if (kind !== null && !(SUBJECT_KINDS as readonly string[]).includes(kind))
    throw new InvalidInput('kind', `Invalid input for --kind. It is one of ${SUBJECT_KINDS.join(', ')}.`);
  if (failOn !== null && !(SEVERITIES as readonly string[]).includes(failOn))
    throw new InvalidInput('fail-on', `Invalid input for --fail-on. It is one of ${SEVERITIES.join(', ')}.`);
  if (flags.kernel !== undefined && !/^\d+\.\d+/.test(flags.kernel))
    throw new InvalidInput('kernel', 'Invalid input for --kernel. It is a version, like 6.1.82.');
  return {
    types: readTypes(flags.types),
    format: format as Format,
    kind: kind as SubjectKind | null,
    failOn: failOn as Severity | null,
    known: flags.baseline === undefined ? [] : knownFrom(flags.baseline),
    baseline: flags.writeBaseline === undefined ? null : outputFile('write-baseline', flags.writeBaseline),
    output: flags.output === undefined ? print : outputFile('output', flags.output),
  };
}

function readTypes(text: string | undefined): Types {
  if (text === undefined) return ALL_TYPES;
  return text.split(',').map((one) => {
    const type = parseType(one);
    if (type === null)
      throw new InvalidInput(
        'types',
        `Invalid input for --types: '${one.trim()}' is no defect type that this knows. It is like CWE-703; the ten pillars are ${ALL_TYPES.map((id) => `CWE-${id}`).join(', ')}.`,
      );
    return type;
  });
}

/** The rules of the namespace that flags name. The kernel is loaded only then. */
async function liveRules(flags: ReviewFlags): Promise<LiveRules | null> {
  if (flags.netns === undefined && !flags.hostNetns) return null;
  const live = await import('../inspect/live-rules.ts');
  return live.liveRules(flags.netns ?? HOST_NETNS, flags.config, systemPorts(silentLogger));
}

function knownFrom(file: string): BaselineEntry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidInput('baseline', `${file}: cannot be read: ${(error as NodeJS.ErrnoException).code}.`);
  }
  return readBaseline(text, file);
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
  const bad = failing(report, outcome.failOn);
  if (bad.length > 0)
    throw new Reported('review-failed', `${bad.length} ${bad.length === 1 ? 'finding is' : 'findings are'} ${outcome.failOn} or worse.`);
}
