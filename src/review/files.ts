import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { kindOf, type Subject, type SubjectKind } from './subject.ts';

/** What people write is smaller; rulesets that programs write, and their JSON, are not. */
const MAX_SOURCE = 1024 * 1024;
const MAX_CONFIG = 192 * 1024;
const MAX_RULES = 2 * 1024 * 1024;
const MAX_FILE = 8 * 1024 * 1024;
const MAX_FILES = 100_000;
const MAX_DEPTH = 40;
const SKIPPED = new Set(['node_modules', 'dist', '__pycache__', 'venv']);

export interface Unread {
  readonly name: string;
  readonly reason: string;
}

export type Found = { readonly subject: Subject } | { readonly unread: Unread };

interface Content {
  readonly bytes: Buffer;
  /** Permission bits; null where it is no file. */
  readonly mode: number | null;
}

/** A file of a walk, and whether somebody asked for it by its name. */
export interface FileCandidate {
  readonly path: string;
  readonly isNamed: boolean;
}

/** Files under the paths, in a fixed order. Hidden folders and those of installed packages are passed over. */
export function* filesUnder(paths: readonly string[]): Generator<FileCandidate | { readonly unread: Unread }> {
  let count = 0;
  for (const path of paths) {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) yield { unread: { name: path, reason: 'there is no such file or folder' } };
    else if (!stats.isDirectory()) yield { path, isNamed: true };
    else {
      for (const found of walk(path, 0)) {
        if (++count > MAX_FILES) {
          yield { unread: { name: path, reason: `it holds more than ${MAX_FILES} files: the rest was not looked at` } };
          return;
        }
        yield found;
      }
    }
  }
}

function* walk(folder: string, depth: number): Generator<FileCandidate | { readonly unread: Unread }> {
  if (depth > MAX_DEPTH) return;
  let entries: import('node:fs').Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    yield { unread: { name: folder, reason: problemOf(error) } };
    return;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name) && !entry.name.startsWith('.')) yield* walk(path, depth + 1);
    } else if (entry.isFile()) yield { path, isNamed: false };
  }
}

/**
 * Reads a file, and says what it is.
 * @returns null for a file of a folder that is nothing to review
 */
export function readSubject({ path, isNamed }: FileCandidate, kind: SubjectKind | null): Found | null {
  let content: Content;
  try {
    content = readBounded(path);
  } catch (error) {
    return { unread: { name: path, reason: error instanceof TooLarge ? error.message : problemOf(error) } };
  }
  const found = subjectOf(path, content, kind);
  if (found !== null || !isNamed) return found;
  return { unread: { name: path, reason: isBinary(content.bytes) ? BINARY : UNKNOWN } };
}

/** What comes through a pipe, to its end: `ssh router nft list ruleset | pinhole review -`. */
export async function readStream(name: string, chunks: AsyncIterable<Buffer>, kind: SubjectKind | null): Promise<Found> {
  const read: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    read.push(chunk);
    length += chunk.length;
    if (length > MAX_FILE) return { unread: { name, reason: TOO_LARGE } };
  }
  const bytes = Buffer.concat(read);
  return subjectOf(name, { bytes, mode: null }, kind) ?? { unread: { name, reason: isBinary(bytes) ? BINARY : UNKNOWN } };
}

/** null: neither its name nor its beginning say what it is. */
function subjectOf(name: string, { bytes, mode }: Content, kind: SubjectKind | null): Found | null {
  const unread = (reason: string): Found => ({ unread: { name, reason } });
  const text = isBinary(bytes) ? '' : bytes.toString('utf8').replace(/^\uFEFF/, '');
  const found = kind ?? kindOf(name, text);
  if (found === null) return null;
  if (isBinary(bytes)) return unread(BINARY);
  if (text.includes('\uFFFD') && !bytes.equals(Buffer.from(text, 'utf8'))) return unread('it is not UTF-8 text');
  const most = maxOf(found);
  if (bytes.length > most) return unread(`it is larger than ${most / 1024} KiB, the most of a file of its kind`);
  return { subject: { name, kind: found, text, mode } };
}

const BINARY = 'it is a binary file';
const UNKNOWN = 'it is neither a ruleset, a configuration nor source that this knows (--kind says which)';
const TOO_LARGE = `it is larger than ${MAX_FILE / 1024 / 1024} MiB`;

const isBinary = (bytes: Buffer) => bytes.subarray(0, 8192).includes(0);

function maxOf(kind: SubjectKind): number {
  switch (kind) {
    case 'nft-json':
    case 'live':
      return MAX_FILE;
    case 'nft':
    case 'iptables':
      return MAX_RULES;
    case 'python':
    case 'typescript':
    case 'tsx':
      return MAX_SOURCE;
    default:
      return MAX_CONFIG;
  }
}

class TooLarge extends Error {}

/** At most so much, whatever the file says of its size: one that is no plain file has none. */
function readBounded(path: string): Content {
  const stats = statSync(path);
  if (!stats.isFile()) throw new TooLarge('it is not a plain file');
  const fd = openSync(path, 'r');
  try {
    const { size, mode } = fstatSync(fd);
    if (size > MAX_FILE) throw new TooLarge(TOO_LARGE);
    const buffer = Buffer.alloc(Math.min(size, MAX_FILE) + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= MAX_FILE; length += read) read = readSync(fd, buffer, length, buffer.length - length, null);
    if (length > MAX_FILE) throw new TooLarge(TOO_LARGE);
    return { bytes: buffer.subarray(0, length), mode: mode & 0o777 };
  } finally {
    closeSync(fd);
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'it is gone',
  EISDIR: 'it is a folder',
  ELOOP: 'its links lead in a circle',
  EIO: 'the disk cannot read it',
};

function problemOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return PROBLEMS[code] ?? `it cannot be read (${code || String(error)})`;
}
