import { readFileSync } from 'node:fs';
import { InvalidInput } from '../../model/errors.ts';
import { type BaselineEntry, readBaseline } from '../../review/baseline.ts';
import { parseType } from '../../review/cwe.ts';
import { SEVERITIES, type Severity } from '../../review/finding.ts';
import { type Format, REPORTERS } from '../../review/reporters/index.ts';
import { ALL_TYPES, type Types } from '../../review/rules.ts';
import { SUBJECT_KINDS, type SubjectKind } from '../../review/subject.ts';
import { outputFile } from '../../terminal/output-file.ts';
import { print } from '../../terminal/table.ts';

/** The flags of `review`, as commander parses them. */
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

/** The flags after all checks, which happen before any work. `null` stands for a flag that was not given. */
export interface Wanted {
  readonly types: Types;
  readonly format: Format;
  readonly kind: SubjectKind | null;
  readonly failOn: Severity | null;
  readonly known: readonly BaselineEntry[];
  /** Writes the new baseline. */
  readonly baseline: ((text: string) => void) | null;
  /** Writes the report. */
  readonly output: (text: string) => void;
}

/** Checks the flags and reads the baseline. @throws InvalidInput that names the flag */
export function readFlags(paths: readonly string[], flags: ReviewFlags): Wanted {
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
        `Invalid input for --types: '${one.trim()}' is not a known defect type. Types look like CWE-703; the ten pillars are ${ALL_TYPES.map((id) => `CWE-${id}`).join(', ')}.`,
      );
    return type;
  });
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
