import { type Listed, operationsIn } from '../../src/api/openapi/page.ts';

type Json = Readonly<Record<string, unknown>>;

const MAX_LINE = 130;

/** Returns `docs/api.md`: the operations of Pinhole's own dialect, as the description of the API has them. */
export function apiPage(document: Json): string {
  const operations = operationsIn(document).filter(({ path }) => path.startsWith('/v1/'));
  const groups = new Map<string, Listed[]>();
  for (const one of operations) {
    const [tag = ''] = one.operation['tags'] as string[];
    groups.set(tag, [...(groups.get(tag) ?? []), one]);
  }
  const sections = [...groups].flatMap(([tag, listed]) => [`## ${tag[0]?.toUpperCase()}${tag.slice(1)}`, ...listed.map(section)]);
  return `${[
    '# The API below /v1',
    wrapped(
      'This page is generated from the description that the server gives at `/openapi.json`, which also has the schemas, and all of `/v2.0` ([neutron.md](neutron.md)). A server shows the same at `/console/api`. Neither needs a token; operations do, as `Authorization: Bearer` or `X-Auth-Token`.',
    ),
    ...sections,
  ].join('\n\n')}\n`;
}

function section({ method, path, operation }: Listed): string {
  const parameters = ((operation['parameters'] ?? []) as Json[]).map(
    (one) => `| \`${one['name']}\` | ${one['in']} | ${cell(one['description'])} |`,
  );
  const answers = Object.entries(operation['responses'] as Readonly<Record<string, Json>>).map(
    ([status, { description }]) => `| ${status} | ${cell(description)} |`,
  );
  return [
    `### ${method} ${path}`,
    wrapped(`${operation['summary']}. ${operation['description']}`),
    ...(parameters.length > 0 ? [['| parameter | in | what |', '|---|---|---|', ...parameters].join('\n')] : []),
    ...example('Request:', operation['requestBody']),
    ...example('Answer:', Object.values(operation['responses'] as Json)[0]),
    ['| status | what |', '|---|---|', ...answers].join('\n'),
  ].join('\n\n');
}

function example(title: string, body: unknown): string[] {
  const [media] = Object.values((body as { content?: Readonly<Record<string, Json>> } | undefined)?.content ?? {});
  const value = (media?.['examples'] as { usual?: { value: unknown } } | undefined)?.usual?.value;
  if (value === undefined) return [];
  if (typeof value !== 'string') return [title, `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``];
  const short = value
    .trim()
    .split('\n')
    .map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line));
  return [title, `\`\`\`text\n${short.join('\n')}\n\`\`\``];
}

function cell(value: unknown): string {
  return String(value).replaceAll('|', '\\|');
}

function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line !== '' && line.length + word.length >= MAX_LINE) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}
