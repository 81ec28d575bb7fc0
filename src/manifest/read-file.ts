import { readFileSync } from 'node:fs';
import { type Document, isNode, isScalar, LineCounter } from 'yaml';
import { MANIFEST, MANIFEST_DOCUMENT, MAX_MANIFEST_BYTES, type Manifest, type ManifestDocument } from '../contract/manifest.ts';
import { formatPath, Mismatch } from '../contract/mismatch.ts';
import { parseYamlDocuments } from '../formats/yaml.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';

/** A manifest with the file that it was read from. */
export interface ManifestFile {
  readonly manifest: Manifest;
  /** Returns an error about a field of the manifest, like `routers[2].name`, as one that names file and line; others unchanged. */
  located(error: unknown): unknown;
}

/**
 * Reads a manifest from a file of at most 8 MiB; `-` is standard input. A file of several YAML documents declares the routers of all
 * of them, and a profile of any of them serves the routers of all.
 * @throws InvalidInput that names file, line and field
 */
export function readManifest(file: string): ManifestFile {
  return parseManifest(readText(file), file);
}

/**
 * Reads the text of a manifest.
 * @param file its name, for messages
 * @throws InvalidInput that names file, line and field
 */
export function parseManifest(text: string, file: string): ManifestFile {
  const lines = new LineCounter();
  const refuse = (line: number, problem: string) => new InvalidInput('file', `${file}:${line}: ${problem}`);
  const all = parseYamlDocuments(text, { lineCounter: lines, uniqueKeys: true, refuse });
  // A `---` at the end begins an empty document, which is ignored. A file with only empty documents is refused for its first one.
  const filled = all.filter(({ contents }) => !(isScalar(contents) && contents.source === ''));
  const documents = filled.length > 0 ? filled : all.slice(0, 1);
  const parts = documents.map((document) => ({ document, read: readDocument(document, { file, lines }) }));
  const origin = parts.flatMap(({ document, read }) => read.routers.map((_, index) => ({ document, index })));
  /** The document of a router's field, and the field's path there. */
  const originOf = ([, number, ...rest]: readonly (string | number)[]) => {
    const { document, index } = origin[Number(number)] ?? { document: documents[0] as Document, index: 0 };
    return { document, path: ['routers', index, ...rest] };
  };
  const profiles: Record<string, ManifestDocument['profiles'][string]> = {};
  for (const { document, read } of parts)
    for (const [name, helpers] of Object.entries(read.profiles)) {
      const expected = 'a profile that no other document of this file has';
      if (Object.hasOwn(profiles, name)) throw problemAt({ file, lines, document }, { path: ['profiles', name], expected });
      profiles[name] = helpers;
    }
  const manifest = checked(
    () => MANIFEST.from({ profiles, routers: parts.flatMap(({ read }) => read.routers) }),
    ({ expected, path }) => {
      const { document, path: own } = originOf(path);
      return problemAt({ file, lines, document }, { path: own, expected });
    },
  );
  const located = (error: unknown) => {
    const path = error instanceof PinholeError ? pathOf(error.details.field ?? '') : [];
    if (!(error instanceof PinholeError) || path[0] !== 'routers') return error;
    const { document, path: own } = originOf(path);
    const message = `${file}:${lineOf(document, lines, own)}: ${error.message}`;
    return new PinholeError(error.code, message, { details: error.details, cause: error });
  };
  return { manifest, located };
}

/** The steps of a field's path, as `formatPath` writes them: `routers[2].name`. */
function pathOf(field: string): (string | number)[] {
  return [...field.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([text, index]) => (index === undefined ? text : Number(index)));
}

interface Place {
  readonly file: string;
  readonly lines: LineCounter;
  readonly document: Document;
}

function readDocument(document: Document, { file, lines }: Omit<Place, 'document'>): ManifestDocument {
  return checked(
    () => MANIFEST_DOCUMENT.read(document.toJS({ maxAliasCount: 0 })),
    (mismatch) => problemAt({ file, lines, document }, mismatch),
    (error) => new InvalidInput('file', `${file}: ${error.message}`),
  );
}

function checked<T>(work: () => T, refused: (mismatch: Mismatch) => Error, failed?: (error: Error) => Error): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Mismatch) throw refused(error);
    throw failed && error instanceof Error ? failed(error) : error;
  }
}

function problemAt({ file, lines, document }: Place, { path, expected }: Pick<Mismatch, 'path' | 'expected'>): InvalidInput {
  const field = formatPath('', path);
  return new InvalidInput(field, `${file}:${lineOf(document, lines, path)}: ${field || 'the document'}: expected ${expected}`);
}

/** Line of the field that a path names, or of the innermost value around it that exists. */
function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  const { range } = document;
  return range ? lines.linePos(range[0]).line : 1;
}

function readText(file: string): string {
  try {
    const text = readFileSync(file === '-' ? 0 : file);
    if (text.length > MAX_MANIFEST_BYTES) throw new InvalidInput('file', `${file}: is larger than ${MAX_MANIFEST_BYTES} bytes.`);
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    if (error instanceof TypeError) throw new InvalidInput('file', `${file}: is not UTF-8.`);
    throw new InvalidInput('file', `${file}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
}
