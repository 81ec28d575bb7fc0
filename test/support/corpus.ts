import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kindOf, type Subject } from '../../src/review/subject.ts';

const FOLDER = fileURLToPath(new URL('../review/corpus/', import.meta.url));

/** A file of the labelled corpus: the text as it is reviewed, and what there is to find. */
export interface CorpusFile {
  /** Rule whose folder it is in. */
  readonly rule: string;
  readonly path: string;
  readonly subject: Subject;
  /** Kernel that it is for, where its first line says so. */
  readonly kernel: string | null;
  /** `line rule`, sorted. */
  readonly expected: readonly string[];
}

const LABEL = /\s*(?:#|\/\/|<!--)\s*finds(-next)?:\s*([a-z0-9, -]+?)\s*(?:-->)?$/;

export function corpus(): CorpusFile[] {
  return readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readCorpusFile(join(entry.parentPath, entry.name)))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function readCorpusFile(file: string): CorpusFile {
  const path = relative(FOLDER, file);
  const labelled = readFileSync(file, 'utf8').split('\n');
  const expected = labelled.flatMap((line, index) => {
    const [, next, rules] = LABEL.exec(line) ?? [];
    return (rules ?? '')
      .split(/,\s*/)
      .filter(Boolean)
      .map((rule) => `${index + (next ? 2 : 1)} ${rule}`);
  });
  const text = labelled.map((line) => line.replace(LABEL, '')).join('\n');
  const kind = kindOf(path, text);
  if (kind === null) throw new Error(`${path}: its kind is unknown`);
  const kernel = /^# kernel: (\S+)/.exec(text)?.[1] ?? null;
  const mode = /^# mode: (\d+)/.exec(text)?.[1];
  return {
    rule: path.split('/')[0] as string,
    path,
    kernel,
    expected: expected.sort(),
    subject: { name: path, kind, text, mode: mode === undefined ? null : Number.parseInt(mode, 8) },
  };
}
