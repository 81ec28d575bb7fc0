import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { kindOf, type Subject, type SubjectKind } from './subject.ts';

/** Bounds on file sizes, in bytes. Files that people write are smaller; generated rulesets and their JSON are larger. */
const MAX_SOURCE = 1024 * 1024;
const MAX_CONFIG = 192 * 1024;
const MAX_RULES = 2 * 1024 * 1024;
const MAX_FILE = 8 * 1024 * 1024;
/** Bounds on a walk through folders. */
const MAX_FILES = 100_000;
const MAX_DEPTH = 40;
/** Folders of installed or generated code, beside hidden ones. */
const SKIPPED = new Set(['node_modules', 'dist', '__pycache__', 'venv']);

/** A file or folder that could not be read, and why. */
export interface Unread {
  readonly name: string;
  readonly reason: string;
}

/** The result of reading one file. */
export type Found = { readonly subject: Subject } | { readonly unread: Unread };

interface Content {
  readonly bytes: Buffer;
  /** Permission bits; null: it is no file. */
  readonly mode: number | null;
}

/** A file to review. */
export interface FileCandidate {
  readonly path: string;
  /** Whether the command line names the file itself, not a folder above it. */
  readonly isNamed: boolean;
}

/**
 * Files under the paths, each folder's entries in the order of their names. Hidden folders and those of installed packages are
 * skipped, links are not followed. A path that does not exist yields an `unread`.
 */
export function* filesUnder(paths: readonly string[]): Generator<FileCandidate | { readonly unread: Unread }> {
  let count = 0;
  for (const path of paths) {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) yield { unread: { name: path, reason: 'there is no such file or folder' } };
    else if (!stats.isDirectory()) yield { path, isNamed: true };
    else {
      for (const found of walk(path, 0)) {
        if (++count > MAX_FILES) {
          yield { unread: { name: path, reason: `it holds more than ${MAX_FILES} files: the rest was skipped` } };
          return;
        }
        yield found;
      }
    }
  }
}

/** Files below a folder, depth first. */
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
 * Reads a file and determines its kind.
 * @param kind the kind to assume; null: determine it
 * @returns null for a file of a folder that is of no known kind
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

/**
 * Reads a stream to its end: `ssh router nft list ruleset | pinhole review -`.
 * @param kind the kind to assume; null: determine it by the beginning of the text
 */
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

/** The subject that a content is; null: its kind is unknown. */
function subjectOf(name: string, { bytes, mode }: Content, kind: SubjectKind | null): Found | null {
  const unread = (reason: string): Found => ({ unread: { name, reason } });
  const text = isBinary(bytes) ? '' : bytes.toString('utf8').replace(/^\uFEFF/, '');
  const found = kind ?? kindOf(name, text);
  if (found === null) return null;
  if (isBinary(bytes)) return unread(BINARY);
  if (text.includes('\uFFFD') && !bytes.equals(Buffer.from(text, 'utf8'))) return unread('it is not UTF-8 text');
  const most = maxOf(found);
  if (bytes.length > most) return unread(`it is larger than ${most / 1024} KiB, the limit for files of its kind`);
  return { subject: { name, kind: found, text, mode } };
}

const BINARY = 'it is a binary file';
const UNKNOWN = 'it is no ruleset, configuration or source of a known kind (set it with --kind)';
const TOO_LARGE = `it is larger than ${MAX_FILE / 1024 / 1024} MiB`;

/** A NUL byte in the first 8 KiB marks a binary file, as in git. */
const isBinary = (bytes: Buffer) => bytes.subarray(0, 8192).includes(0);

/** The largest size of a kind, in bytes. */
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

/** Thrown for a file that is not read, with the reason for the report. */
class TooLarge extends Error {}

/**
 * Reads at most {@link MAX_FILE} bytes, whatever size the file claims to have.
 * @throws TooLarge if it is larger, or no plain file; the error of node:fs
 */
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
  ENOENT: 'it no longer exists',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links form a loop',
  EIO: 'the disk reports a read error',
};

function problemOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return PROBLEMS[code] ?? `it cannot be read (${code || String(error)})`;
}
