import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { networkContains, parseNetwork } from '../../src/model/address.ts';
import type { Table } from '../../src/model/table.ts';
import { diff, revocations, revoked } from '../../src/plan/diff.ts';
import { render } from '../../src/plan/render.ts';
import { type Packet, trace } from '../../src/plan/tracer.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, helperWith, parseScope, scopeInput } from '../support/arbitraries.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const tableOf = (...helpers: Parameters<typeof desiredHelper>[]): Table | null =>
  render(desiredRouter(helpers.map((parameters) => desiredHelper(...parameters))), ALL_CAPABILITIES, NOW).table;
const anyTable = fc
  .array(helperWith(fc.option(scopeInput).map((input) => input && parseScope(input))), { maxLength: 12 })
  .map((list) => render(desiredRouter(list), ALL_CAPABILITIES, NOW).table);

describe('diff', () => {
  it('is empty between equal contents, and never between different ones', () => {
    fc.assert(
      fc.property(anyTable, anyTable, (a, b) => {
        expect(diff(a, structuredClone(a))).toEqual([]);
        expect(diff(a, b).length === 0).toBe(JSON.stringify([a?.objects, a?.chains]) === JSON.stringify([b?.objects, b?.chains]));
      }),
    );
  });

  it('ignores the stamp: a new revision of the same rules needs no write', () => {
    const table = tableOf(['ftp', 'tcp', 21]) as Table;
    expect(diff({ ...table, comment: 'pinhole:v1 rev=9' }, table)).toEqual([]);
  });

  it('names what differs', () => {
    const changes = diff(tableOf(['ftp', 'tcp', 21], ['tftp', 'udp', 69]), tableOf(['ftp', 'tcp', 2121]));
    expect(changes.map(({ change, what, name, detail }) => `${change} ${what} ${name}: ${detail}`)).toEqual([
      'add object tftp-udp: type tftp protocol udp l3proto inet',
      'remove rule assign: ct helper set tcp dport map { 2121 : "ftp-tcp" }',
      'add rule assign: ct helper set tcp dport map { 21 : "ftp-tcp" }',
      'add rule assign: ct helper set udp dport map { 69 : "tftp-udp" }',
    ]);
  });

  it('notices flushed rules although the stamp is still there', () => {
    const table = tableOf(['ftp', 'tcp', 21]) as Table;
    const flushed = { ...table, chains: table.chains.map((chain) => ({ ...chain, rules: [] })) };
    expect(diff(table, flushed)).not.toEqual([]);
  });
});

/** A table with one helper for each of these sources. */
const scopedTo = (...sources: (string | null)[]): Table | null =>
  render(
    desiredRouter(sources.map((source) => desiredHelper('ftp', 'tcp', 21, { scope: source === null ? null : parseScope({ source }) }))),
    ALL_CAPABILITIES,
    NOW,
  ).table;

describe('what live connections lose', () => {
  const lost = (desired: Table | null, observed: Table | null) => revocations(revoked(desired, observed), desired);
  const ftp = { protocol: 'tcp', port: 21, type: 'ftp' };
  const reach = (source: string) => ({ families: ['ipv4', 'ipv6'], source, destination: null });

  it('is each assignment that no rule makes any more', () => {
    expect(lost(tableOf(['ftp', 'tcp', 21]), tableOf(['ftp', 'tcp', 21], ['sip', 'udp', 5060]))).toEqual([
      { protocol: 'udp', port: 5060, type: 'sip', except: [] },
    ]);
    expect(lost(null, tableOf(['ftp', 'tcp', 21]))).toEqual([{ ...ftp, except: [] }]);
  });

  it('is, for a narrower scope, the helper of the connections outside of the new scope', () => {
    expect(lost(scopedTo('10.0.0.0/8'), scopedTo(null))).toEqual([{ ...ftp, except: [reach('10.0.0.0/8')] }]);
    expect(lost(scopedTo('10.1.0.0/16'), scopedTo('10.0.0.0/8'))).toEqual([{ ...ftp, except: [reach('10.1.0.0/16')] }]);
    expect(lost(scopedTo('10.1.0.0/16', '10.2.0.0/16'), scopedTo('10.0.0.0/8'))).toEqual([
      { ...ftp, except: [reach('10.1.0.0/16'), reach('10.2.0.0/16')] },
    ]);
  });

  it('is nothing for a wider scope, or for one scope of several that another covers', () => {
    expect(lost(scopedTo(null), scopedTo('10.0.0.0/8'))).toEqual([]);
    expect(lost(scopedTo('10.0.0.0/8'), scopedTo('10.1.0.0/16'))).toEqual([]);
    expect(lost(scopedTo('10.0.0.0/8'), scopedTo('10.0.0.0/8', '10.1.0.0/16'))).toEqual([]);
  });

  it('is nothing where only the interface differs, which the connection table does not record', () => {
    const at = (name: string) =>
      render(desiredRouter([desiredHelper('ftp', 'tcp', 21, { scope: parseScope({ in_interface: name }) })]), ALL_CAPABILITIES, NOW).table;
    expect(lost(at('eth1'), at('eth0'))).toEqual([]);
  });

  it('never is a helper that the new table gives to the same connection, and always is one that no rule gives', () => {
    const flow = fc.record({
      source: fc.oneof(fc.ipV4(), fc.ipV6()),
      other: fc.oneof(fc.ipV4(), fc.ipV6()),
      port: fc.constantFrom(21, 69),
    });
    const helper = fc
      .record({
        pair: fc.constantFrom(['ftp', 'tcp'] as const, ['sip', 'udp'] as const, ['tftp', 'udp'] as const),
        port: fc.constantFrom(21, 69),
        scope: fc.option(scopeInput),
      })
      .map(({ pair, port, scope }) =>
        desiredHelper(pair[0], pair[1], port, { scope: scope && parseScope({ ...scope, in_interface: null }) }),
      );
    const table = fc.array(helper, { maxLength: 6 }).map((list) => render(desiredRouter(list), ALL_CAPABILITIES, NOW).table);
    fc.assert(
      fc.property(table, table, flow, (before, after, { source, other, port }) => {
        if (source.includes(':') !== other.includes(':')) return;
        for (const protocol of ['tcp', 'udp'] as const) {
          const packet: Packet = { hook: 'prerouting', protocol, source, destination: other, port };
          const type = trace(before, packet);
          if (type === null) continue;
          const family = source.includes(':') ? 'ipv6' : 'ipv4';
          const contains = (network: string | null, address: string) =>
            network === null || networkContains(parseNetwork(network, ''), parseNetwork(address, ''));
          const isLost = lost(after, before).some(
            (one) =>
              [one.protocol, one.port, one.type].join() === [protocol, port, type].join() &&
              !one.except.some(
                (kept) => kept.families.includes(family) && contains(kept.source, source) && contains(kept.destination, other),
              ),
          );
          if (trace(after, packet) === type) expect(isLost).toBe(false);
          if (trace(after, packet) === null) expect(isLost).toBe(true);
        }
      }),
    );
  });
});

describe('trace', () => {
  const packet: Packet = { hook: 'prerouting', protocol: 'tcp', source: '10.0.0.5', destination: '192.0.2.1', port: 21 };

  it('says which helper a flow gets', () => {
    const table = tableOf(['ftp', 'tcp', 21], ['irc', 'tcp', 6667], ['snmp', 'udp', 161]);
    expect(trace(table, packet)).toBe('ftp');
    expect(trace(table, { ...packet, port: 22 })).toBeNull();
    expect(trace(table, { ...packet, protocol: 'udp' })).toBeNull();
    expect(trace(table, { ...packet, port: 6667 })).toBe('irc');
    expect(trace(table, { ...packet, port: 6667, source: '2001:db8::1', destination: '2001:db8::2' })).toBeNull();
  });

  it('assigns snmp to the router’s own connections only: on forwarded ones it breaks SNMPv3', () => {
    const table = tableOf(['snmp', 'udp', 161]);
    const snmp: Packet = { ...packet, protocol: 'udp', port: 161 };
    expect([trace(table, snmp), trace(table, { ...snmp, hook: 'output' })]).toEqual([null, 'snmp']);
  });

  it('agrees with a direct reading of the declared helpers', () => {
    const flow = fc.record({
      source: fc.oneof(fc.ipV4(), fc.ipV6()),
      other: fc.oneof(fc.ipV4(), fc.ipV6()),
      interface: fc.constantFrom('eth0', 'eth1'),
    });
    fc.assert(
      fc.property(
        fc.array(helperWith(fc.option(scopeInput).map((input) => input && parseScope(input))), { minLength: 1, maxLength: 10 }),
        flow,
        (list, raw) => {
          const table = render(desiredRouter(list), ALL_CAPABILITIES, NOW).table;
          if (raw.source.includes(':') !== raw.other.includes(':')) return;
          for (const { port, protocol } of list) {
            if (protocol !== 'tcp' && protocol !== 'udp') continue;
            const got = trace(table, {
              hook: 'prerouting',
              protocol,
              source: raw.source,
              destination: raw.other,
              port,
              inInterface: raw.interface,
            });
            const could = list.some(
              (helper) =>
                helper.port === port &&
                helper.protocol === protocol &&
                (helper.scope === null ||
                  [
                    helper.scope.source === null || networkContains(parseNetwork(helper.scope.source, ''), parseNetwork(raw.source, '')),
                    helper.scope.destination === null ||
                      networkContains(parseNetwork(helper.scope.destination, ''), parseNetwork(raw.other, '')),
                    helper.scope.inInterface === null || helper.scope.inInterface === raw.interface,
                  ].every(Boolean)),
            );
            if (got !== null) expect(could).toBe(true);
          }
        },
      ),
    );
  });
});
