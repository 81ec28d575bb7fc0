import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { read } from '../../src/contract/shape.ts';
import { encodeReplacement } from '../../src/kernel/linux/nft-encode.ts';
import { MAX_BATCH, parseRequest } from '../../src/kernel/protocol.ts';
import { TABLE } from '../../src/kernel/table-shape.ts';
import type { Table } from '../../src/model/table.ts';
import { render } from '../../src/plan/render.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, hostileText, parseScope } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';
import { anyTable, renderedTable } from '../support/tables.ts';

/** One helper, scoped and confined: each kind of match and of action, once. */
const CONFINED = render(
  desiredRouter(
    [
      desiredHelper('ftp', 'tcp', 21),
      desiredHelper('ftp', 'tcp', 2121, { scope: parseScope({ source: '10.0.0.0/8', in_interface: 'eth0' }) }),
    ],
    { confinement: { blockedPorts: [1080, 3128], ratePerSecond: 10 } },
  ),
  ALL_CAPABILITIES,
  new Date(0),
).table as Table;

const request = (value: unknown) => parseRequest({ id: 1, request: value }).request;
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const applied = (table: unknown) => {
  const parsed = request({ method: 'apply', items: [{ netns: 'r', table: overTheWire(table) }] });
  return parsed.method === 'apply' ? parsed.items[0] : undefined;
};

/** A place in a JSON value: the path to each of its leaves, and to each object and list. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value);
  return [path, ...keys.flatMap((key) => places((value as Record<string | number, unknown>)[key], [...path, key]))];
}

function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const old = value as Record<string | number, unknown>;
  const changed = { [key]: replaced(old[key], rest, by) };
  return Array.isArray(old) ? Object.assign([...old], changed) : { ...old, ...changed };
}

describe('law: what Pinhole renders passes, and nothing of another shape', () => {
  it('takes every table that is rendered, as it is', () => {
    fc.assert(
      fc.property(renderedTable, (table) => {
        expect(applied(table)).toEqual({ ok: true, value: { netns: 'r', table } });
      }),
      runs(0.3),
    );
  });

  it('refuses or takes any table that the types allow, and what it takes can be encoded', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        const result = applied({ ...table, comment: CONFINED.comment });
        if (!result?.ok) expect(result?.error.code).toBe('invalid-message');
        else if (result.value && 'table' in result.value) encodeReplacement(result.value.table as Table);
      }),
      runs(0.5),
    );
  });

  it('survives one hostile value anywhere: its item fails, with the path, and the other is carried out', () => {
    const value = fc.oneof(hostileText, fc.constantFrom<unknown>(null, -1, 1.5, 2 ** 53, 65_536, true, [], {}, [[]], { kind: 'accept' }));
    const item = { netns: 'r', table: CONFINED };
    const all = places(item);
    fc.assert(
      fc.property(fc.nat(), value, (at, hostile) => {
        const spoilt = replaced(item, all[at % all.length] ?? [], hostile);
        const parsed = request({ method: 'apply', items: [spoilt, { netns: 's', table: null }] });
        if (parsed.method !== 'apply') throw new Error('another method');
        const [first, second] = parsed.items;
        expect(second).toEqual({ ok: true, value: { netns: 's', table: null } });
        if (!first?.ok) expect(first?.error.details.field).toMatch(/^\[0\]/);
        else if (first.value && 'table' in first.value && first.value.table) encodeReplacement(first.value.table as Table);
      }),
      runs(),
    );
  });

  it('takes any JSON without an error other than invalid-message', () => {
    const methods = fc.constantFrom('capabilities', 'observe', 'apply', 'changeLive', 'expectations', 'allRules', 'watchExpectations', 'x');
    const given = fc.record(
      {
        method: methods,
        items: fc.jsonValue(),
        netns: fc.oneof(hostileText, fc.constant('r')),
        change: fc.jsonValue(),
        on: fc.jsonValue(),
      },
      { requiredKeys: ['method'] },
    );
    fc.assert(
      fc.property(fc.oneof(given, fc.jsonValue()), (value) => {
        try {
          request(overTheWire(value));
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^invalid-(message|input)$/) });
        }
      }),
      runs(),
    );
  });
});

describe('parseRequest', () => {
  it.each([
    { method: 'capabilities' },
    { method: 'namespaces' },
    { method: 'expectations', netns: 'r' },
    { method: 'allRules', netns: '/' },
    { method: 'watchExpectations', on: true },
    { method: 'changeLive', netns: 'r', change: { action: 'strip', selectors: [{ protocol: 'tcp', port: 21, type: 'ftp' }] } },
    {
      method: 'changeLive',
      netns: 'r',
      change: {
        action: 'attach',
        selectors: [{ protocol: 'tcp', port: 21, type: 'ftp', families: ['ipv4', 'ipv6'], source: '10.0.0.0/8', destination: null }],
      },
    },
  ])('takes %j', (value) => {
    expect(request(value)).toEqual(value);
  });

  it('takes a version that is known, and none', () => {
    const known = { cookie: '12', generation: 3 };
    const items = [{ netns: 'a', known }, { netns: 'b', known: null }, { netns: 'c' }, { netns: '..', known }];
    expect(request({ method: 'observe', items })).toMatchObject({
      items: [
        { ok: true, value: { netns: 'a', known } },
        { ok: true, value: { netns: 'b', known: null } },
        { ok: true, value: { netns: 'c', known: null } },
        { ok: false },
      ],
    });
  });

  const attach = (selector: object) => ({
    method: 'changeLive',
    netns: 'r',
    change: {
      action: 'attach',
      selectors: [{ protocol: 'tcp', port: 21, type: 'ftp', families: ['ipv4'], source: null, destination: null, ...selector }],
    },
  });

  it.each([
    ['no such method', { method: 'reboot' }],
    ['a field that none has', { method: 'capabilities', shell: 'x' }],
    ['too many items', { method: 'observe', items: Array(MAX_BATCH + 1).fill({ netns: 'r' }) }],
    ['a helper that no catalogue has', attach({ type: 'nfs' })],
    ['a helper of another protocol', attach({ protocol: 'udp' })],
    ['a helper of the router itself', attach({ protocol: 'udp', type: 'snmp', port: 161 })],
    ['a family that the helper lacks', attach({ type: 'irc', families: ['ipv6'] })],
    ['no network', attach({ source: '10.0.0.0/33' })],
    ['no port', attach({ port: 0 })],
  ])('refuses %s', (_what, value) => {
    expect(() => request(value)).toThrow();
  });
});

describe('the shape of a table', () => {
  const take = (table: unknown) => read(TABLE, overTheWire(table), 'table');
  const { comment } = CONFINED;
  const object = { name: 'ftp-tcp', type: 'ftp', protocol: 'tcp', family: 'inet' };
  const base = { hook: 'prerouting', priority: -150 };
  const onNew = { kind: 'ct-state', state: 'new' };
  const onRelated = { kind: 'ct-state', state: 'related' };
  const drop = { matches: [], action: { kind: 'drop' } };
  const assign = { name: 'assign', rules: [{ matches: [], action: { kind: 'set-helper', object: 'ftp-tcp' } }] };
  const data = { name: 'data-tcp', rules: [drop] };
  const jump = (chain: string, matches: object[] = [onNew]) => ({
    name: 'pre',
    base,
    rules: [{ matches, action: { kind: 'jump', chain } }],
  });
  const byHelper = (chain: string, matches: object[] = [onRelated]) => ({
    name: 'confine',
    base: { hook: 'forward', priority: -10 },
    rules: [{ matches, action: { kind: 'jump-by-helper', entries: [['ftp', chain]] } }],
  });

  it('takes assignment on new and drops on related connections', () => {
    const table = { comment, objects: [object], chains: [assign, data, jump('assign'), byHelper('data-tcp')] };
    expect(take(table)).toEqual(table);
  });

  it.each([
    ['jumps to chains that are there', [jump('nowhere')]],
    ['jumps on ct state new only', [assign, jump('assign', [])]],
    ['jumps on ct state new only', [assign, jump('assign', [onRelated])]],
    ['jumps on ct state new only', [assign, jump('assign', [onNew, onNew])]],
    ['jumps on ct state related only', [data, byHelper('data-tcp', [onNew])]],
    ['related packets, and no others, reach data chains', [data, jump('data-tcp')]],
    ['related packets, and no others, reach data chains', [assign, byHelper('assign')]],
    ['data chains, and no others, drop', [{ name: 'assign', rules: [drop] }]],
    ['data chains, and no others, drop', [{ ...assign, name: 'data-tcp' }]],
    ['a base chain jumps', [{ ...assign, base }]],
    ['a base chain jumps, no other', [assign, { name: 'b', rules: [{ matches: [], action: { kind: 'jump', chain: 'assign' } }] }]],
    [
      'assigns objects that are there',
      [{ name: 'assign', rules: [{ matches: [], action: { kind: 'map-helper', protocol: 'tcp', entries: [[21, 'irc-tcp']] } }] }],
    ],
  ])('refuses a table that breaks the rule: %s', (why, chains) => {
    expect(() => take({ comment, objects: [object], chains })).toThrow(why);
  });

  it.each([
    ['a comment that is no stamp', { comment: 'mine', objects: [], chains: [] }],
    ['a helper under another name', { comment, objects: [{ ...object, name: 'tftp-udp' }], chains: [] }],
    ['a helper of the kernel under no name of ours', { comment, objects: [{ ...object, name: 'mine' }], chains: [] }],
    [
      'an entry that is no pair',
      {
        comment,
        objects: [object],
        chains: [{ ...byHelper('data-tcp'), rules: [{ matches: [], action: { kind: 'jump-by-helper', entries: [['ftp']] } }] }],
      },
    ],
  ])('refuses %s', (_what, table) => {
    expect(() => take(table)).toThrow(/^table/);
  });
});
