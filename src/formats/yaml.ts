import { Composer, type CST, type Document, type LineCounter, Parser } from 'yaml';

/** More than any configuration needs. The library recurses into nested collections, and a stack overflow could end the process. */
const MAX_DEPTH = 60;

/** How to parse YAML. */
export interface YamlOptions {
  /** Receives the offsets of lines, for messages. */
  readonly lineCounter: LineCounter;
  /** Whether a duplicate key is an error. The check takes time quadratic in the size of a mapping. */
  readonly uniqueKeys: boolean;
  /** Makes the error for a problem; lines count from 1. */
  readonly refuse: (line: number, problem: string) => Error;
}

/** Parses untrusted YAML. @returns its first document. @throws the error of `refuse` for text that is not YAML, or nested too deeply */
export function parseYaml(text: string, options: YamlOptions): Document {
  const [document] = parseYamlDocuments(text, options);
  if (!document) throw options.refuse(1, 'not YAML: no document');
  return document;
}

/** Parses untrusted YAML. @returns every document, at least one. @throws as {@link parseYaml} */
export function parseYamlDocuments(text: string, { lineCounter, uniqueKeys, refuse }: YamlOptions): Document[] {
  const tokens: CST.Token[] = [];
  for (const token of new Parser(lineCounter.addNewLine).parse(text)) {
    const offset = tooDeep(token);
    if (offset !== null) throw refuse(lineOf(text, offset), `nested more than ${MAX_DEPTH} deep`);
    tokens.push(token);
  }
  // The second half of the library's `parseAllDocuments`, on tokens that were checked for their depth.
  const documents = [...(new Composer({ uniqueKeys, logLevel: 'silent' }).compose(tokens, true, text.length) as Iterable<Document>)];
  for (const { errors } of documents) {
    const [error] = errors;
    if (error) throw refuse(lineOf(text, error.pos[0]), `not YAML: ${error.message.split('\n')[0]}`);
  }
  return documents;
}

type Node = CST.Token | CST.CollectionItem;

/** Offset of the first node that is nested too deeply; null if there is none. */
function tooDeep(token: CST.Token): number | null {
  const stack: { node: Node; depth: number }[] = [{ node: token, depth: 0 }];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const { node, depth } = at;
    if (depth > MAX_DEPTH) return 'offset' in node ? node.offset : (node.start[0]?.offset ?? 0);
    const isCollection = 'items' in node;
    for (const inner of partsOf(node)) stack.push({ node: inner, depth: isCollection ? depth + 1 : depth });
  }
  return null;
}

function partsOf(node: Node): Node[] {
  if ('items' in node) return node.items;
  if ('key' in node || 'value' in node || 'start' in node) {
    const { key, value } = node as CST.CollectionItem & { value?: Node };
    return [key, value].filter((one): one is CST.Token => typeof one === 'object' && one !== null);
  }
  return [];
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
