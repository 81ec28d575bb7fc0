import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import { NEUTRON_DEFAULT_PAIRS } from '../../src/model/catalogue.ts';
import { parseStamp, type Table } from '../../src/model/table.ts';
import { contentDigest, render } from '../../src/plan/render.ts';
import { tableText } from '../../src/plan/text.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, helperWith, parseScope, scopeInput } from '../support/arbitraries.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const scope = fc.option(scopeInput).map((input) => input && parseScope(input));
const helpers = fc.array(helperWith(scope), { maxLength: 30 });

/** Goldens are written by `vitest -u` only, never in CI: read what changes. */
async function expectGolden(table: Table | null, name: string): Promise<void> {
  await expect(table ? tableText(table) : '').toMatchFileSnapshot(`golden/${name}.nft`);
}

describe('render', () => {
  it('makes no table for a router without helpers', () => {
    expect(render(desiredRouter([]), ALL_CAPABILITIES, NOW)).toEqual({ table: null, statuses: [] });
  });

  it('gives one map lookup per protocol, as in the golden file', async () => {
    const router = desiredRouter([desiredHelper('ftp', 'tcp', 21), desiredHelper('pptp', 'tcp', 1723), desiredHelper('tftp', 'udp', 69)], {
      revision: 42,
    });
    const { table } = render(router, ALL_CAPABILITIES, NOW);
    await expectGolden(table, 'ftp-pptp-tftp');
  });

  it("accepts all of Neutron's twelve default pairs on one router, as in the golden file", async () => {
    const router = desiredRouter(NEUTRON_DEFAULT_PAIRS.map(({ helper, protocol, port }) => desiredHelper(helper, protocol, port)));
    const { table, statuses } = render(router, ALL_CAPABILITIES, NOW);
    await expectGolden(table, 'all-default-pairs');
    const broken = statuses.filter(({ families }) => families.some(({ status }) => status !== 'ACTIVE'));
    expect(broken.map(({ families }) => families.map(({ reason }) => reason))).toEqual([
      ['no kernel has the helper amanda for tcp', 'no kernel has the helper amanda for tcp'],
    ]);
  });

  it('puts scoped helpers before the map, the narrower first, and confines related connections, as in the golden file', async () => {
    const scoped = (source: string | null, destination: string | null, in_interface: string | null) =>
      parseScope({ source, destination, in_interface });
    const router = desiredRouter(
      [
        desiredHelper('ftp', 'tcp', 2121),
        desiredHelper('ftp', 'tcp', 2121, { scope: scoped('10.0.0.0/8', null, null) }),
        desiredHelper('ftp', 'tcp', 2121, { scope: scoped('10.1.0.0/16', '192.0.2.7', 'eth0') }),
        desiredHelper('sip', 'udp', 5060, { scope: scoped('2001:db8::/33', null, null) }),
        desiredHelper('pptp', 'tcp', 1723),
        desiredHelper('h323', 'udp', 1719),
      ],
      { confinement: DEFAULT_CONFINEMENT },
    );
    const { table } = render(router, ALL_CAPABILITIES, NOW);
    await expectGolden(table, 'scoped-confined');
  });

  it('assigns snmp and netbios-ns to connections of the router itself only', () => {
    const router = desiredRouter([desiredHelper('snmp', 'udp', 161), desiredHelper('netbios-ns', 'udp', 137)]);
    const { table } = render(router, ALL_CAPABILITIES, NOW);
    expect(table?.chains.map(({ base }) => base?.hook).filter(Boolean)).toEqual(['output']);
  });

  it('does not depend on the order of the helpers', () => {
    fc.assert(
      fc.property(
        helpers.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          const router = desiredRouter(list);
          const other = { ...router, helpers: shuffled };
          expect(render(other, ALL_CAPABILITIES, NOW).table).toEqual(render(router, ALL_CAPABILITIES, NOW).table);
        },
      ),
    );
  });

  it('accounts for every helper, in at least one family', () => {
    fc.assert(
      fc.property(helpers, (list) => {
        const { statuses } = render(desiredRouter(list), ALL_CAPABILITIES, NOW);
        expect(statuses.map(({ helperId }) => helperId).sort()).toEqual(list.map(({ id }) => id).sort());
        for (const { families } of statuses) expect(families.length).toBeGreaterThan(0);
      }),
    );
  });

  it('leaves out helpers that this kernel lacks, says why, and keeps the others', () => {
    const capabilities = { ...ALL_CAPABILITIES, helpers: ALL_CAPABILITIES.helpers.filter((key) => !key.startsWith('irc/')) };
    const router = desiredRouter([desiredHelper('irc', 'tcp', 6667), desiredHelper('ftp', 'tcp', 21)]);
    const { table, statuses } = render(router, capabilities, NOW);
    expect(table?.objects.map(({ type }) => type)).toEqual(['ftp']);
    expect(statuses.map(({ families }) => families.map(({ status }) => status))).toEqual([['ACTIVE', 'ACTIVE'], ['ERROR']]);
    expect(statuses[1]?.families[0]?.reason).toContain('this kernel does not have the helper irc');
  });

  it('says when the NAT half of a helper is not loaded', () => {
    const capabilities = { ...ALL_CAPABILITIES, missingNat: ['nf_nat_ftp'] };
    const { statuses } = render(desiredRouter([desiredHelper('ftp', 'tcp', 21)]), capabilities, NOW);
    expect(statuses[0]?.families[0]).toEqual({
      family: 'ipv4',
      status: 'ACTIVE',
      reason: 'nf_nat_ftp is not loaded: behind NAT, announced addresses are not rewritten',
    });
  });

  it('reports which of two helpers on one port is shadowed, and by which', () => {
    const [ftp, irc] = [desiredHelper('ftp', 'tcp', 21), desiredHelper('irc', 'tcp', 21)];
    const { table, statuses } = render(desiredRouter([irc, ftp]), ALL_CAPABILITIES, NOW);
    expect(table?.objects.map(({ type }) => type)).toEqual(['ftp']);
    const of = (id: string) => statuses.find(({ helperId }) => helperId === id)?.families;
    expect(of(ftp.id)?.every(({ status }) => status === 'ACTIVE')).toBe(true);
    expect(of(irc.id)).toEqual([{ family: 'ipv4', status: 'ERROR', reason: `shadowed: ftp (${ftp.id}) has tcp port 21 already` }]);
  });

  it('takes h323 and RAS on one port as the same kernel helper', () => {
    const router = desiredRouter([desiredHelper('h323', 'udp', 1719), desiredHelper('RAS', 'udp', 1719)]);
    const { statuses } = render(router, ALL_CAPABILITIES, NOW);
    expect(statuses.flatMap(({ families }) => families.map(({ status }) => status))).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE']);
  });

  it('never applies an expired helper', () => {
    const router = desiredRouter([desiredHelper('ftp', 'tcp', 21, { expiresAt: '2025-12-31T23:59:59Z' })]);
    expect(render(router, ALL_CAPABILITIES, NOW)).toEqual({ table: null, statuses: [] });
  });

  it('stamps installation, revision and digest, and the digest is of the content alone', () => {
    const list = [desiredHelper('ftp', 'tcp', 21)];
    const [one, two] = [1, 2].map((revision) => render(desiredRouter(list, { revision }), ALL_CAPABILITIES, NOW, 'aaaaaaaaaaaa').table);
    expect(parseStamp(one?.comment ?? '')).toEqual({ installation: 'aaaaaaaaaaaa', revision: 1, sha256: one && contentDigest(one) });
    expect(parseStamp(two?.comment ?? '')?.sha256).toBe(parseStamp(one?.comment ?? '')?.sha256);
  });
});

describe('seed 000 CWE-682: names are never cut', () => {
  it('names objects by catalogue entry, within what the kernel takes, and no two alike', () => {
    fc.assert(
      fc.property(helpers, (list) => {
        const { table } = render(desiredRouter(list), ALL_CAPABILITIES, NOW);
        const names = [...(table?.objects ?? []), ...(table?.chains ?? [])].map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        for (const name of names) expect(name.length).toBeLessThan(32);
      }),
    );
  });
});
