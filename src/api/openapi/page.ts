type Json = Readonly<Record<string, unknown>>;

/** The parts of the document that pages show. */
export interface Listed {
  readonly method: string;
  readonly path: string;
  readonly operation: Json;
}

/** The methods in the order in which they are listed. */
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** Returns the operations of a document, path by path. */
export function operationsIn(document: Json): Listed[] {
  return Object.entries(document['paths'] as Readonly<Record<string, Readonly<Record<string, Json>>>>).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => (methods[method] ? [{ method: method.toUpperCase(), path, operation: methods[method] }] : [])),
  );
}

/** Returns the document as a page for people: without script, and without anything of another host. */
export function pageOf(document: Json): string {
  const { title, version } = document['info'] as Readonly<Record<string, string>>;
  const rows = operationsIn(document).map(section);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} API</title>
</head>
<body>
<h1>${escaped(title)} API</h1>
<p>Version ${escaped(version)}. <a href="/openapi.json">openapi.json</a> has the same for programs.</p>
${rows.join('\n')}
</body>
</html>
`;
}

function section({ method, path, operation }: Listed): string {
  const { operationId, summary, description, parameters = [], responses } = operation;
  const given = (parameters as Json[]).map(
    (one) => `<li><code>${escaped(one['name'])}</code> (${escaped(one['in'])}): ${escaped(one['description'])}</li>`,
  );
  const answers = Object.entries(responses as Readonly<Record<string, Json>>).map(
    ([status, answer]) => `<li><code>${escaped(status)}</code> ${escaped(answer['description'])}</li>`,
  );
  return [
    `<section id="${escaped(operationId)}">`,
    `<h2><code>${escaped(method)} ${escaped(path)}</code></h2>`,
    `<p><strong>${escaped(summary)}.</strong> ${escaped(description)}</p>`,
    ...(given.length > 0 ? [`<ul>${given.join('')}</ul>`] : []),
    ...example('Request', operation['requestBody']),
    ...example('Answer', Object.values(responses as Json)[0]),
    `<ul>${answers.join('')}</ul>`,
    '</section>',
  ].join('\n');
}

function example(title: string, body: unknown): string[] {
  const [media] = Object.values((body as { content?: Readonly<Record<string, Json>> } | undefined)?.content ?? {});
  const usual = (media?.['examples'] as { usual?: { value: unknown } } | undefined)?.usual;
  if (!usual) return [];
  const text = typeof usual.value === 'string' ? usual.value : JSON.stringify(usual.value, null, 2);
  return [`<details><summary>${title}</summary><pre>${escaped(text)}</pre></details>`];
}

function escaped(value: unknown): string {
  return String(value ?? '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
