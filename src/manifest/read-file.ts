import { readFileSync } from 'node:fs';
import { type Document, isNode, isScalar, LineCounter } from 'yaml';
import { MANIFEST, type Manifest } from '../contract/manifest.ts';
import { formatPath, Mismatch } from '../contract/mismatch.ts';
import { parseYamlDocuments } from '../formats/yaml.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';

const MAX_FILE = 8 * 1024 * 1024;

/**
 * Reads a manifest from a file of at most 8 MiB; `-` is standard input. A file of several YAML documents declares the routers of all
 * of them.
 * @throws InvalidInput that names file, line and field
 */
export function readManifest(file: string): Manifest {
  return parseManifest(readText(file), file);
}

/**
 * Reads the text of a manifest.
 * @param file its name, for messages
 * @throws InvalidInput that names file, line and field
 */
export function parseManifest(text: string, file: string): Manifest {
  const lines = new LineCounter();
  const refuse = (line: number, problem: string) => new InvalidInput('file', `${file}:${line}: ${problem}`);
  const all = parseYamlDocuments(text, { lineCounter: lines, uniqueKeys: true, refuse });
  // A `---` at the end begins an empty document, which is ignored. A file with only empty documents is refused for its first one.
  const filled = all.filter(({ contents }) => !(isScalar(contents) && contents.source === ''));
  const documents = filled.length > 0 ? filled : all.slice(0, 1);
  const parts = documents.map((document) => ({ document, manifest: readDocument(document, { file, lines }) }));
  const routers = parts.flatMap(({ manifest }) => manifest.routers);
  const origin = parts.flatMap(({ document, manifest }) => manifest.routers.map((_, index) => ({ document, index })));
  return checked(
    () => MANIFEST.from({ routers }),
    ({ expected, path: [, number, field] }) => {
      const { document, index } = origin[Number(number)] ?? { document: documents[0] as Document, index: 0 };
      return problemAt({ file, lines, document }, { path: ['routers', index, ...(field === undefined ? [] : [field])], expected });
    },
  );
}

interface Place {
  readonly file: string;
  readonly lines: LineCounter;
  readonly document: Document;
}

function readDocument(document: Document, { file, lines }: Omit<Place, 'document'>): Manifest {
  return checked(
    () => MANIFEST.read(document.toJS({ maxAliasCount: 0 })),
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
    if (text.length > MAX_FILE) throw new InvalidInput('file', `${file}: is larger than ${MAX_FILE} bytes.`);
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    if (error instanceof TypeError) throw new InvalidInput('file', `${file}: is not UTF-8.`);
    throw new InvalidInput('file', `${file}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
}
