import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { generateApi } from 'swagger-typescript-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { agentTopic, METHODS } from '../../src/wire/topics.ts';
import { ApiDocument, type DescribedOperation } from '../support/api-document.ts';
import { apiPage } from '../support/api-page.ts';
import { ROOT } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { type Answer, TestServer } from '../support/test-server.ts';

const run = promisify(execFile);
const server = new TestServer('');
const HELD = { id: 'a81f', reason: 'it would remove more than half of the helpers', removed: 40, live: 50 };
let bus: LocalBusClient;
let namespaces = 0;
let text: string;
let document: Readonly<Record<string, unknown>>;
let api: ApiDocument;

beforeAll(async () => {
  await server.start();
  bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
  // The agent of host `here`: it answers what it is asked.
  const answers: Readonly<Record<string, unknown>> = {
    [METHODS.plan]: { changes: [], foreign: [], table: null },
    [METHODS.reapply]: { connections: 0 },
    [METHODS.confirm]: HELD,
  };
  bus.serve(agentTopic('here'), (method) => answers[method] ?? []);
  const agent = new ServerClient(bus, 'here');
  const at = new Date().toISOString();
  const verification = { at, verifiedAt: null, boundSeconds: 60, kernel: { up: true, since: at, reason: '' } };
  const report = () => agent.reportState({ startedAt: at, interval: 60, configurations: {}, verification });
  await eventually(() =>
    report().then(
      () => true,
      () => false,
    ),
  );
  text = (await server.call('GET', '/openapi.json', undefined, { token: '' })).text;
  document = JSON.parse(text);
  api = new ApiDocument(document);
});
afterAll(async () => {
  await bus.close();
  await server.close();
});

describe('the description of the API', () => {
  it('is valid OpenAPI 3.1, and its examples are what its schemas say', async () => {
    // Neutron answers some methods of its extensions with 404 only.
    const config = await createConfig({ extends: ['recommended-strict'], rules: { 'operation-2xx-response': 'off' } });
    const problems = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
    expect(problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`)).toEqual([]);
    expect(document['openapi']).toBe('3.1.0');
  });

  it('has every route, and each has a summary, a description and an answer for each status', () => {
    const described = new Set(api.operations.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`));
    const registered = server.running.app.routeAccess
      .filter(({ method }) => method !== 'HEAD')
      // `/v2.0` and `/v2.0/` are one.
      .map(({ method, url }) => `${method} ${url === '/v2.0/' ? '/v2.0' : url}`);
    expect([...described].sort()).toEqual([...new Set(registered)].sort());
    for (const { operationId, summary, description, responses } of api.operations) {
      expect([operationId, summary, description].every((part) => part.length > 0)).toBe(true);
      expect(Object.keys(responses).length).toBeGreaterThan(1);
    }
  });

  it('is a page without script that the browser takes from this server only', async () => {
    const page = await server.call('GET', '/console/api', undefined, { token: '' });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.text).not.toMatch(/<script|<style|<[^>]+ style=|<[^>]+ on\w+=|https?:\/\/(?!127\.0\.0\.1)/);
    for (const { operationId } of api.operations) expect(page.text).toContain(`<section id="${operationId}">`);
  });

  it('is what docs/api.md says; `vitest -u` writes the page', async () => {
    await expect(apiPage(document)).toMatchFileSnapshot(join(ROOT, 'docs/api.md'));
  });
});

/** Ids that the examples of requests are sent to. */
interface Made {
  readonly router: string;
  readonly helper: string;
}

async function made(): Promise<Made> {
  const router = await server.newRouter({ host: 'here', netns: `n${namespaces++}` });
  const helper = (await server.call('POST', `/v1/routers/${router}/helpers`, { protocol: 'tcp', port: 2121, helper: 'ftp' })).body.id;
  return { router, helper };
}

/** Values of the parameters of a path. */
async function parametersOf({ path, operationId }: DescribedOperation): Promise<Record<string, string>> {
  if (path.startsWith('/v1/tokens/')) return { id: (await server.newToken('admin')).split('_')[1] as string };
  if (path.startsWith('/v1/quotas/')) return { id: 'shop' };
  if (operationId === 'forgetHost') {
    // A host that has reported is alive.
    await server.newRouter({ host: 'silent', netns: 'n' });
    return { host: 'silent' };
  }
  if (path.startsWith('/v1/hosts/')) return { host: 'here' };
  if (path.startsWith('/v2.0/extensions/')) return { alias: 'pagination' };
  const { router, helper } = await made();
  return path.includes('{router}') ? { router, id: helper } : { id: router, helper };
}

/** Queries without which an operation is not valid, or would do more than is wanted. */
const QUERIES: Readonly<Record<string, string>> = { changeMany: '?selector=site', forgetHost: '?force=true' };
const ENDLESS = ['followExpectations', 'followEvents'];

async function call(operation: DescribedOperation, options: { body?: unknown; token?: string; parameters?: Record<string, string> } = {}) {
  const { method, path, operationId, requestBody } = operation;
  const parameters = options.parameters ?? (await parametersOf(operation));
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
  const body = 'body' in options ? options.body : requestBody?.content['application/json']?.examples?.usual.value;
  const answer = await server.call(method, `${url}${QUERIES[operationId] ?? ''}`, body, {
    ...(options.token === undefined ? {} : { token: options.token }),
    abortAfterHeaders: ENDLESS.includes(operationId),
  });
  return answer;
}

function problems(operation: DescribedOperation, { status, body, headers }: Answer): string[] {
  return api.problemsOf(operation, { status, body, type: headers.get('content-type') });
}

describe('every operation', () => {
  it('does what its example asks, and answers as the description says', async () => {
    const found: unknown[] = [];
    for (const operation of api.operations) {
      const answer = await call(operation);
      const expected = Object.keys(operation.responses).find((status) => status.startsWith('2')) ?? '404';
      const wrong = problems(operation, answer);
      if (String(answer.status) !== expected || wrong.length > 0)
        found.push([operation.operationId, answer.status, expected, wrong, answer.text.slice(0, 300)]);
    }
    expect(found).toEqual([]);
  });

  it('refuses with a status and a body that the description has', async () => {
    const found: unknown[] = [];
    const strange = { id: 'none', helper: 'none', router: 'none', host: 'none', alias: 'none' };
    const refused = async (operation: DescribedOperation, name: string, options: Parameters<typeof call>[1]) => {
      const answer = await call(operation, options);
      const wrong = problems(operation, answer);
      if (wrong.length > 0) found.push([operation.operationId, name, answer.status, wrong, answer.text.slice(0, 300)]);
    };
    const member = await server.newToken('member', 'another');
    for (const operation of api.operations) {
      if (ENDLESS.includes(operation.operationId)) continue;
      await refused(operation, 'no token', { token: '', parameters: strange });
      await refused(operation, 'absent', { parameters: strange });
      await refused(operation, 'another project', { token: member, parameters: strange });
      if (operation.requestBody) await refused(operation, 'bad body', { body: { nothing: 1 }, parameters: strange });
    }
    expect(found).toEqual([]);
  });
});

const FLOW = `
import { Api } from './client.ts';
const [url = '', token = ''] = process.argv.slice(2);
const api = new Api({ baseUrl: url, baseApiParams: { headers: { authorization: 'Bearer ' + token }, format: 'json' } });
const router = (await api.v1.createRouter({ name: 'of-a-generated-client' })).data;
const helper = (await api.v1.createHelper(router.id, { protocol: 'tcp', port: 21, helper: 'ftp' })).data;
const changed = (await api.v1.updateHelper(router.id, helper.id, { port: 2121 })).data;
const { helpers } = (await api.v1.listHelpers(router.id)).data;
const refused = await api.v1.getRouter('none').catch((answer: { status: number }) => answer.status);
await api.v1.deleteRouter(router.id);
const ports: number[] = helpers.map(({ port }) => port);
process.stdout.write(JSON.stringify({ name: router.name, port: changed.port, ports, refused }));
`;

it('a TypeScript client that is generated from the description compiles, and runs a flow', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pha-'));
  try {
    await generateApi({ spec: document as never, output: folder, fileName: 'client.ts', silent: true, cleanOutput: false });
    writeFileSync(join(folder, 'flow.mts'), FLOW);
    const options = ['--strict', '--target', 'es2023', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--skipLibCheck'];
    const types = ['--lib', 'es2023,dom', '--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [compiler, ...options, ...types, '--rewriteRelativeImportExtensions', 'flow.mts'], { cwd: folder });
    const { stdout } = await run(process.execPath, [join(folder, 'flow.mjs'), server.url, server.token]);
    expect(JSON.parse(stdout)).toEqual({ name: 'of-a-generated-client', port: 2121, ports: [2121], refused: 404 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
