import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import { networkContains, parseNetwork } from '../../src/model/address.ts';
import { type Family, findKernelHelper, type KernelHelper } from '../../src/model/catalogue.ts';
import { foresee } from '../../src/plan/foresight.ts';
import { render } from '../../src/plan/render.ts';
import { newSteps, shadowOf } from '../../src/plan/shadow.ts';
import { type Packet, trace } from '../../src/plan/tracer.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, parseScope } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const PORT = 69;

const scoped = (name: string, protocol: string, parts: Parameters<typeof parseScope>[0] | null = null, port = PORT): DesiredHelper =>
  desiredHelper(name, protocol, port, { scope: parts && parseScope(parts) });

/** Nested and adjacent networks, so that several cover one, and some cover it in part. */
const NETWORKS = [
  '10.0.0.0/8',
  '10.0.0.0/9',
  '10.128.0.0/9',
  '10.0.0.0/30',
  '10.0.0.1/32',
  '0.0.0.0/0',
  '::/0',
  '2001:db8::/32',
  '::/1',
  '8000::/1',
];
const network = fc.option(fc.constantFrom(...NETWORKS));
const scope = fc
  .record({ source: network, destination: network, in_interface: fc.option(fc.constantFrom('lan', 'wan')) })
  .filter(({ source, destination }) => !source || !destination || source.includes(':') === destination.includes(':'))
  .map((parts) => parseScope(parts));
/** Helpers that meet on one UDP port: some for routed connections, some for the router's own, one of IPv4 only. */
const helper = fc
  .record({ name: fc.constantFrom('tftp', 'sip', 'snmp', 'amanda', 'netbios-ns'), scope })
  .map(({ name, scope: its }) => desiredHelper(name, 'udp', PORT, { scope: its }));

/** Addresses at and beside the borders of {@link NETWORKS}. */
const ADDRESSES = {
  ipv4: ['10.0.0.0', '10.0.0.1', '10.0.0.4', '10.127.255.255', '10.128.0.0', '10.255.255.255', '11.0.0.0', '0.0.0.0', '255.255.255.255'],
  ipv6: ['2001:db8::1', '2001:db9::', '::', '7fff::', '8000::', 'ffff::1'],
} as const;
const flow = fc.constantFrom('ipv4' as const, 'ipv6' as const).chain((family) =>
  fc.record({
    hook: fc.constantFrom('prerouting' as const, 'output' as const),
    source: fc.constantFrom(...ADDRESSES[family]),
    destination: fc.constantFrom(...ADDRESSES[family]),
    inInterface: fc.constantFrom('lan', 'wan', 'other'),
  }),
);

/** Whether a packet is of the connections that a helper is declared for. */
function isIn({ scope: its }: DesiredHelper, kernel: KernelHelper, { hook, source, destination, inInterface }: Packet): boolean {
  const contains = (cidr: string | null | undefined, address: string) =>
    !cidr || networkContains(parseNetwork(cidr, ''), parseNetwork(address, ''));
  if (hook === 'prerouting' && kernel.localOnly) return false;
  return contains(its?.source, source) && contains(its?.destination, destination) && (!its?.inInterface || its.inInterface === inInterface);
}

describe('law: a shadow is what the tracer sees', () => {
  it('for any helper, any rivals and any flow', () => {
    const seen = { nothing: 0, some: 0, all: 0 };
    fc.assert(
      fc.property(fc.array(helper, { minLength: 1, maxLength: 5 }), fc.array(flow, { minLength: 1, maxLength: 20 }), (rivals, flows) => {
        const one = rivals[0] as DesiredHelper;
        const kernel = findKernelHelper(one.helper, 'udp') as KernelHelper;
        const { table } = render(desiredRouter(rivals), ALL_CAPABILITIES, NOW);
        const families = kernel.families as readonly Family[];
        const shadow = shadowOf({ helper: one, kernel, families }, rivals.slice(1), () => table, newSteps());
        if (shadow === null) return;
        seen[shadow.taken]++;
        for (const { inInterface, ...fields } of flows) {
          const entry = fields.hook === 'prerouting' ? { ...fields, inInterface } : fields;
          const packet: Packet = { ...entry, protocol: 'udp', port: PORT };
          if (!isIn(one, kernel, packet) || !families.includes(packet.source.includes(':') ? 'ipv6' : 'ipv4')) continue;
          const type = trace(table, packet);
          if (shadow.taken === 'all') expect(type).not.toBe(kernel.type);
          if (shadow.taken === 'nothing') expect(type).toBe(kernel.type);
          if (type !== null && type !== kernel.type) expect(shadow.types).toContain(type);
        }
      }),
      { numRuns: 5 * runs().numRuns },
    );
    // The law would hold of a function that always says the same.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(runs().numRuns / 20);
  });
});

describe('what is foreseen', () => {
  const said = (one: DesiredHelper, helpers: readonly DesiredHelper[] = [], capabilities: typeof ALL_CAPABILITIES | null = null) =>
    foresee(one, { helpers, capabilities, now: NOW, steps: newSteps() }).map(({ code, message }) => `${code}: ${message}`);

  it('is nothing for a helper that works', () => {
    expect(said(scoped('tftp', 'udp'), [scoped('ftp', 'tcp', null, 21)])).toEqual([]);
    expect(said(scoped('irc', 'tcp', null, 6667))).toEqual([]);
  });

  it('is nothing beside another entry of the same helper, which gives the same', () => {
    expect(said(scoped('tftp', 'udp'), [scoped('tftp', 'udp', { source: '10.0.0.0/8' })])).toEqual([]);
  });

  it('is a helper that comes first on the same port and scope', () => {
    expect(said(scoped('tftp', 'udp'), [scoped('sip', 'udp')])).toEqual([
      'shadowed: gets no connections: other helpers of this router come first (sip udp/69)',
    ]);
  });

  it('is that several narrower helpers together leave nothing', () => {
    const halves = [scoped('sip', 'udp', { source: '10.0.0.0/9' }), scoped('sip', 'udp', { source: '10.128.0.0/9' })];
    const message = 'other helpers of this router come first (sip udp/69 from 10.0.0.0/9, sip udp/69 from 10.128.0.0/9)';
    expect(said(scoped('tftp', 'udp', { source: '10.0.0.0/8' }), halves)).toEqual([`shadowed: gets no connections: ${message}`]);
    expect(said(scoped('tftp', 'udp'), halves)).toEqual([`partly-shadowed: does not get all connections in its scope: ${message}`]);
  });

  it("is that a helper of routed connections comes before one of the router's own", () => {
    expect(said(scoped('snmp', 'udp'), [scoped('tftp', 'udp', { source: '0.0.0.0/0' })])).toEqual([
      'shadowed: gets no connections: other helpers of this router come first (tftp udp/69 from 0.0.0.0/0)',
    ]);
  });

  it('names three helpers, and counts the others', () => {
    const many = Array.from({ length: 5 }, (_, index) => scoped('sip', 'udp', { source: `10.0.0.${index}/32` }));
    expect(said(scoped('tftp', 'udp'), many)[0]).toMatch(/from 10\.0\.0\.0, .* from 10\.0\.0\.1, .* from 10\.0\.0\.2 and 2 more\)$/);
  });

  it('is a helper that no kernel has, or not for a family', () => {
    expect(said(scoped('amanda', 'tcp', null, 10080))).toEqual(['impossible: no kernel has the helper amanda for tcp']);
    expect(said(scoped('irc', 'tcp', { source: '2001:db8::/32' }, 6667))).toEqual(['impossible: no kernel has the helper irc for ipv6']);
    expect(said(scoped('ftp', 'sctp', null, 21))).toEqual(['impossible: no kernel has the helper ftp for sctp']);
  });

  it("is a helper that this host's kernel lacks, in one family or in both", () => {
    const without = (...lacking: string[]) => ({
      ...ALL_CAPABILITIES,
      helpers: ALL_CAPABILITIES.helpers.filter((key) => !lacking.includes(key)),
    });
    const lacks = (family: string) => `this kernel does not have the helper tftp for udp over ${family} (module nf_conntrack_tftp)`;
    expect(said(scoped('tftp', 'udp'), [], without('tftp/udp/ipv6'))).toEqual([`partly-impossible: ${lacks('ipv6')}`]);
    expect(said(scoped('tftp', 'udp'), [], without('tftp/udp/ipv4', 'tftp/udp/ipv6'))).toEqual([
      `impossible: ${lacks('ipv4')}`,
      `impossible: ${lacks('ipv6')}`,
    ]);
  });

  it("is an interface for a helper of the router's own connections", () => {
    expect(said(scoped('snmp', 'udp', { in_interface: 'lan' }, 161))[0]).toMatch(/^impossible: snmp is for connections that start on/);
  });

  it('is nothing where there are too many scopes to look at', () => {
    const many = Array.from({ length: 200 }, (_, index) =>
      scoped('sip', 'udp', { source: `10.0.${index}.0/24`, destination: `10.1.${index}.0/24` }),
    );
    expect(said(scoped('tftp', 'udp'), many)).toEqual([]);
  });

  it('looks at so much for one request, and at nothing about shadows after that', () => {
    const steps = newSteps();
    const helpers = Array.from({ length: 14 }, (_, index) => scoped('sip', 'udp', { source: `10.0.${index}.0/24` }));
    const one = scoped('tftp', 'udp');
    const found = Array.from({ length: 100 }, () => foresee(one, { helpers, capabilities: null, now: NOW, steps }).length);
    expect(steps.left).toBeGreaterThanOrEqual(0);
    expect(found.indexOf(0)).toBeGreaterThan(5);
    expect(found.lastIndexOf(1)).toBe(found.indexOf(0) - 1);
    expect(foresee(scoped('amanda', 'tcp'), { helpers, capabilities: null, now: NOW, steps })).toHaveLength(1);
  });

  it('does not depend on whether the helper is already among those of the router', () => {
    const one = scoped('tftp', 'udp');
    const rivals = [scoped('sip', 'udp', { source: '10.0.0.0/9' })];
    expect(said(one, [...rivals, one])).toEqual(said(one, rivals));
    expect(said(one, rivals)).toHaveLength(1);
  });
});
