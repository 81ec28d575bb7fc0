import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESIRED_ROUTER } from '../../src/contract/desired-router.ts';
import { MANIFEST } from '../../src/contract/manifest.ts';
import { NETNS } from '../../src/contract/netns.ts';
import { read } from '../../src/contract/shape.ts';
import { parseRequest } from '../../src/kernel/protocol.ts';
import { TABLE } from '../../src/kernel/table-shape.ts';
import { readManifest } from '../../src/manifest/read-file.ts';
import { PinholeError } from '../../src/model/errors.ts';
import type { Table } from '../../src/model/table.ts';
import { render } from '../../src/plan/render.ts';
import { tableText } from '../../src/plan/text.ts';
import { FrameDecoder } from '../../src/sockets/frames.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, hostileText } from '../support/arbitraries.ts';
import { TestServer } from '../support/test-server.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
const RUNS = SOAK ? 5_000 : 200;

/** Runs, and gives the error of ours that it throws; any other error fails the test. */
function errorOf(work: () => unknown): PinholeError | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof PinholeError) return error;
    throw error;
  }
}

const json = fc.jsonValue({ maxDepth: 4 });
const anything = fc.oneof(json, hostileText, fc.constantFrom(null, true, -1, 0, 1.5, 65536, 1e308, [], {}));

describe('bad input', () => {
  const server = new TestServer('api:\n  quota_per_router: -1\n');
  let router: string;
  beforeAll(async () => {
    await server.start();
    router = await server.newRouter();
  });
  afterAll(() => server.close());

  /** All rows, as an admin sees them. */
  async function everything(): Promise<string> {
    const { body } = await server.call('GET', '/v1/status');
    return JSON.stringify(body);
  }

  it('over the API: a clear 4xx with nothing changed, or a success; never a 5xx', async () => {
    const field = fc.oneof({ weight: 3, arbitrary: anything }, { weight: 1, arbitrary: fc.constantFrom('tcp', 'udp', 21, 'ftp', 'tftp') });
    const body = fc.oneof(
      fc.record({ protocol: field, port: field, helper: field }, { requiredKeys: [] }),
      fc.dictionary(hostileText, anything, { maxKeys: 4 }),
      anything,
    );
    const route = fc.constantFrom(
      ['POST', () => `/v2.0/routers/${router}/conntrack_helpers`, (value: unknown) => ({ conntrack_helper: value })] as const,
      ['POST', () => `/v1/routers/${router}/helpers`, (value: unknown) => value] as const,
      ['POST', () => '/v2.0/routers', (value: unknown) => ({ router: value })] as const,
      ['POST', () => '/v1/routers', (value: unknown) => value] as const,
      ['PUT', () => `/v1/routers/${router}`, (value: unknown) => value] as const,
      ['POST', () => '/v1/tokens', (value: unknown) => value] as const,
    );
    await fc.assert(
      fc.asyncProperty(route, body, async ([method, path, wrap], value) => {
        const before = await everything();
        const { status, body: answer } = await server.call(method, path(), wrap(value));
        expect(status).toBeLessThan(500);
        if (status < 400) return;
        expect((answer.NeutronError ?? answer.error).message).toEqual(expect.any(String));
        expect(await everything()).toBe(before);
      }),
      { numRuns: RUNS },
    );
  });

  it('over the API: hostile names in paths and queries', async () => {
    await fc.assert(
      fc.asyncProperty(hostileText, hostileText, async (a, b) => {
        const [x, y] = [a, b].map((text) => encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '')));
        for (const path of [
          `/v2.0/routers/${x}`,
          `/v2.0/routers/${router}/conntrack_helpers/${x}`,
          `/v2.0/routers?${x}=${y}`,
          `/v1/routers?find=${x}`,
          `/v1/status/${x}`,
        ]) {
          expect((await server.call('GET', path)).status).toBeLessThan(500);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('over the API: oversized, deep, not UTF-8, not JSON', async () => {
    const path = `/v2.0/routers/${router}/conntrack_helpers`;
    const send = (raw: string | Uint8Array<ArrayBuffer>) => server.call('POST', path, undefined, { raw });
    expect((await send(`{"conntrack_helper":{"helper":"${'x'.repeat(2 * 1024 * 1024)}"}}`)).status).toBe(413);
    expect((await send(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)).status).toBe(400);
    for (const depth of [33, 5_000, 100_000])
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const)
        for (const deepPath of ['/v2.0/routers', '/v1/routers']) {
          const raw = `{"router":{"name":${open.repeat(depth)}1${close.repeat(depth)}}}`;
          expect([depth, deepPath, (await server.call('POST', deepPath, undefined, { raw })).status]).toEqual([depth, deepPath, 400]);
        }
    expect((await send(new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]))).status).toBe(400);
    expect((await send('not json')).status).toBe(400);
    expect(
      (await server.call('POST', path, undefined, { raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).status,
    ).toBe(415);
    expect((await server.call('GET', '/v1/routers', undefined, { headers: { 'x-padding': 'x'.repeat(20_000) } })).status).toBe(431);
    expect((await server.call('GET', '/livez')).status).toBe(200);
  });

  it('in YAML files: an error that names file, line and field', () => {
    const cases: [string, RegExp][] = [
      [
        'routers:\n  - name: a\n    helpers:\n      - helper: ftp\n        port: 70000\n',
        /:5: routers\[0\]\.helpers\[0\]\.port: expected an integer from 1 to 65535$/,
      ],
      ['routers:\n  - name: a\n    netns: ../x\n', /:3: .*netns/],
      ['routers:\n  - name: a\n    helpers:\n      - helper: nosuch\n', /:4: .*helper: expected a helper of the catalogue/],
      ['routers:\n  - name: a\n  - name: a\n', /:3: .*name: expected a name that no other router/],
      ['routers:\n  - name: a\n    colour: red\n', /colour: expected no such field/],
      ['routers: [\n', /not YAML/],
      ['routers:\n  - name: a\n    helpers:\n      - {helper: ftp, source: 1.2.3}\n', /:4: .*source/],
      ['routers:\n  - name: a\n    helpers:\n      - {helper: sip}\n', /protocol: expected a protocol: sip uses udp and tcp/],
    ];
    for (const [text, message] of cases) {
      const file = join(server.directory, 'manifest.yaml');
      writeFileSync(file, text);
      expect(errorOf(() => readManifest(file))?.message).toMatch(message);
    }
    writeFileSync(join(server.directory, 'bad.yaml'), new Uint8Array([0xff, 0xfe, 0x00]));
    expect(errorOf(() => readManifest(join(server.directory, 'bad.yaml')))?.message).toMatch(/is not UTF-8/);
    expect(errorOf(() => readManifest(join(server.directory, 'absent.yaml')))?.code).toBe('invalid-input');
  });

  it('in YAML files: any value is accepted, or refused by an error that names a field', () => {
    const helper = fc.record({ helper: anything, protocol: anything, port: anything, source: anything }, { requiredKeys: [] });
    const value = fc.oneof(
      anything,
      fc.record({ routers: fc.array(fc.record({ name: anything, netns: anything, helpers: fc.array(helper) }, { requiredKeys: [] })) }),
    );
    fc.assert(
      fc.property(value, (input) => {
        const error = errorOf(() => read(MANIFEST, input, '', 'input'));
        if (error) expect(error.details.field).toBeDefined();
      }),
      { numRuns: RUNS * 10 },
    );
  });

  it('over sockets: any message is a request, or an error that names a field', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          fc.record({ id: anything, request: fc.record({ method: anything, items: anything, netns: anything }, { requiredKeys: [] }) }),
        ),
        (input) => {
          const error = errorOf(() => parseRequest(input));
          if (error) expect([error.code, error.details.field]).toEqual(['invalid-message', expect.any(String)]);
        },
      ),
      { numRuns: RUNS * 10 },
    );
  });

  it('over sockets: framing survives any bytes, and ends at the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 }), (chunks) => {
        const decoder = new FrameDecoder(1000);
        errorOf(() => chunks.map((chunk) => decoder.push(Buffer.from(chunk))));
      }),
      { numRuns: RUNS * 10 },
    );
    expect(errorOf(() => new FrameDecoder(1000).push(Buffer.from([0xff, 0xff, 0xff, 0xff])))?.code).toBe('too-large');
  });

  it('over sockets: the kernel process accepts only tables of Pinhole’s own shape', () => {
    const good = render(desiredRouter([desiredHelper('ftp', 'tcp', 21), desiredHelper('snmp', 'udp', 161)]), ALL_CAPABILITIES, new Date(0))
      .table as Table;
    expect(errorOf(() => read(TABLE, JSON.parse(JSON.stringify(good)), 't'))).toBeNull();
    const drop = { matches: [], action: { kind: 'drop' } };
    const bad: [string, unknown][] = [
      [
        'a drop in a base chain',
        { ...good, chains: [{ name: 'prerouting', base: { hook: 'prerouting', priority: -150 }, rules: [drop] }] },
      ],
      [
        'a drop for new connections',
        {
          ...good,
          chains: [
            ...good.chains,
            { name: 'data-x', rules: [drop] },
            {
              name: 'f',
              base: { hook: 'forward', priority: 0 },
              rules: [{ matches: [{ kind: 'ct-state', state: 'new' }], action: { kind: 'jump', chain: 'data-x' } }],
            },
          ],
        },
      ],
      ['a loop', { ...good, chains: [{ name: 'a', rules: [{ matches: [], action: { kind: 'jump', chain: 'a' } }] }] }],
      ['an object of another type', { ...good, objects: [{ name: 'ftp-tcp', type: 'irc', protocol: 'tcp', family: 'inet' }] }],
      ['a stamp that is none', { ...good, comment: 'x"; flush ruleset; "' }],
      ['a raw priority', { ...good, chains: [{ name: 'p', base: { hook: 'prerouting', priority: -300 }, rules: [] }] }],
    ];
    for (const [what, table] of bad) expect([what, errorOf(() => read(TABLE, table, 't'))?.code]).toEqual([what, 'invalid-message']);
  });

  it('seed 000 CWE-435; 001 no. 5: no hostile value reaches nft text', () => {
    const hostile = fc.record({
      helper: hostileText,
      protocol: hostileText,
      netns: hostileText,
      source: hostileText,
      in_interface: hostileText,
    });
    const SAFE = /^[\t\n A-Za-z0-9_.:,;@{}"=!</-]*$/;
    fc.assert(
      fc.property(hostile, fc.boolean(), (values, scoped) => {
        const raw = {
          id: '00000000-0000-4000-8000-000000000001',
          name: values.helper,
          netns: 'n',
          revision: 1,
          confine: false,
          helpers: [
            {
              id: '00000000-0000-4000-8000-000000000002',
              protocol: 'tcp',
              port: 21,
              helper: scoped ? 'ftp' : values.helper,
              scope: scoped ? { source: values.source, destination: null, in_interface: values.in_interface } : null,
              expires_at: null,
            },
          ],
        };
        let text = '';
        errorOf(() => {
          const { table } = render(read(DESIRED_ROUTER, raw, 'router'), ALL_CAPABILITIES, new Date(0));
          if (table) {
            read(TABLE, JSON.parse(JSON.stringify(table)), 't');
            text = tableText(table);
          }
        });
        expect(text).toMatch(SAFE);
        expect(text).not.toMatch(/flush|delete/);
      }),
      { numRuns: RUNS * 10 },
    );
  });

  it('as names of namespaces: only a single file name is accepted', () => {
    fc.assert(
      fc.property(hostileText, (name) => {
        if (errorOf(() => read(NETNS, name, 'netns')) === null) expect(name).toMatch(/^[A-Za-z0-9_.@:+-]{1,255}$/);
      }),
      { numRuns: RUNS * 10 },
    );
    for (const name of ['..', '.', 'a/b', '', 'a\0', '../../proc/1/ns/net'])
      expect(errorOf(() => read(NETNS, name, 'netns'))?.details.field).toBe('netns');
  });
});
