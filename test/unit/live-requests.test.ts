import { describe, expect, it } from 'vitest';
import { LiveRequests } from '../../src/agent/live-requests.ts';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { parseRequest } from '../../src/kernel/protocol.ts';
import { render } from '../../src/plan/render.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, parseScope } from '../support/arbitraries.ts';

const now = new Date('2026-01-01T00:00:00Z');
const known = { capabilities: ALL_CAPABILITIES, now, installation: null };

function lab(...helpers: DesiredHelper[]) {
  const kernel = new FakeKernel();
  kernel.addNamespace('r');
  return { kernel, router: desiredRouter(helpers), live: new LiveRequests(kernel) };
}

describe('plan', () => {
  it('lists what a sync would change, and changes nothing', async () => {
    const { kernel, router, live } = lab(desiredHelper('ftp', 'tcp', 21));
    const before = await live.plan(router, known);
    expect(before.changes).toEqual([{ change: 'add', what: 'table', name: 'pinhole', detail: '' }]);
    expect(before.table).toContain('ct helper ftp-tcp');
    expect(kernel.counts.applies).toBe(0);
    await kernel.apply([{ netns: 'r', table: render(router, ALL_CAPABILITIES, now).table, replaces: null }]);
    expect((await live.plan(router, known)).changes).toEqual([]);
    kernel.meddle('r', (table) => table, ['a rule of another program']);
    expect((await live.plan(router, known)).foreign).toEqual(['a rule of another program']);
  });

  it('a missing namespace is an error that says so', async () => {
    const { router, live } = lab();
    await expect(live.plan({ ...router, netns: 'gone' }, known)).rejects.toMatchObject({ code: 'netns-not-found' });
  });
});

describe('reapply', () => {
  it('assigns the helper to connections on its port that have none, and to no others', async () => {
    const ftp = desiredHelper('ftp', 'tcp', 21);
    const { kernel, router, live } = lab(ftp);
    kernel
      .connections('r')
      .push(
        { protocol: 'tcp', port: 21, type: null },
        { protocol: 'tcp', port: 22, type: null },
        { protocol: 'tcp', port: 21, type: 'ftp' },
      );
    expect(await live.reapply(router, ftp.id, known)).toEqual({ connections: 1 });
    expect(kernel.connections('r').map(({ type }) => type)).toEqual(['ftp', null, 'ftp']);
  });

  it('refuses a namespace in which another installation assigns helpers, and gives no connection a helper', async () => {
    const ftp = desiredHelper('ftp', 'tcp', 21);
    const { kernel, router, live } = lab(ftp);
    const { table } = render(router, ALL_CAPABILITIES, now, 'bbbbbbbbbbbb');
    await kernel.apply([{ netns: 'r', table, replaces: null }]);
    kernel.connections('r').push({ protocol: 'tcp', port: 21, type: null });
    const asked = live.reapply(router, ftp.id, { ...known, installation: 'aaaaaaaaaaaa' });
    await expect(asked).rejects.toThrow(/not assigned here: table inet pinhole in r belongs to installation bbbbbbbbbbbb/);
    expect(kernel.connections('r').map(({ type }) => type)).toEqual([null]);
  });

  it.each([
    ['a helper that no kernel has', desiredHelper('amanda', 'tcp', 10080), /^The helper is not assigned here: no kernel has/],
    ['one of the router’s own connections', desiredHelper('snmp', 'udp', 161), /^snmp is for connections of the router itself/],
    ['one of an interface', desiredHelper('ftp', 'tcp', 21, { scope: parseScope({ in_interface: 'eth0' }) }), /by which interface/],
    ['one whose time is over', desiredHelper('ftp', 'tcp', 21, { expiresAt: '2025-01-01T00:00:00.000Z' }), /its time is over/],
  ])('refuses %s with a reason', async (_what, helper, message) => {
    const { router, live } = lab(helper);
    await expect(live.reapply(router, helper.id, known)).rejects.toThrow(message);
  });

  it('refuses a shadowed helper, and names the helper that has its port', async () => {
    const [ftp, irc] = [desiredHelper('ftp', 'tcp', 21), desiredHelper('irc', 'tcp', 21)];
    const { router, live } = lab(ftp, irc);
    await expect(live.reapply(router, irc.id, known)).rejects.toThrow(`shadowed: ftp (${ftp.id}) has tcp port 21 already`);
  });

  it('does not find a helper of another router', async () => {
    const { router, live } = lab();
    await expect(live.reapply(router, 'x', known)).rejects.toMatchObject({ code: 'helper-not-found' });
  });
});

describe('the kernel process checks again what it is to give connections', () => {
  const selector = { protocol: 'tcp', port: 21, type: 'ftp', families: ['ipv4'], source: null, destination: null };
  const parse = (fields: object) =>
    parseRequest({
      id: 1,
      request: { method: 'changeLive', netns: 'r', change: { action: 'attach', selectors: [{ ...selector, ...fields }] } },
    });

  it('a helper of the catalogue passes', () => {
    expect(parse({}).request).toMatchObject({ method: 'changeLive', change: { action: 'attach', selectors: [selector] } });
  });

  it.each([
    [{ type: 'nosuch' }],
    [{ type: 'ftp', protocol: 'udp' }],
    [{ type: 'snmp', protocol: 'udp' }],
    [{ type: 'irc', families: ['ipv6'] }],
    [{ families: ['ipv5'] }],
    [{ port: 0 }],
    [{ source: '10.0.0.0/33' }],
    [{ source: '; flush ruleset' }],
    [{ extra: 1 }],
  ])('%j does not', (fields) => {
    expect(() => parse(fields)).toThrow(/expected|Invalid input/);
  });
});
