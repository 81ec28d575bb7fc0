import { describe, expect, it } from 'vitest';
import type { StatusView } from '../../src/client/resources.ts';
import { type HostFact, statusText } from '../../src/commands/observe/status-text.ts';
import type { FamilyStatus, StatusValue } from '../../src/contract/status.ts';

const NOW = new Date('2026-01-01T12:00:00.000Z');
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1_000).toISOString();

function family(status: StatusValue, rest: Partial<FamilyStatus> = {}): FamilyStatus {
  return { family: 'ipv4', status, reason: '', verifiedAt: status === 'ACTIVE' ? ago(12) : null, ...rest };
}

function view(name: string, helpers: Record<string, FamilyStatus[]>, host = 'h'): StatusView {
  const router = { id: `id-${name}`, name, host, netns: name } as unknown as StatusView['router'];
  const made = Object.entries(helpers).map(([helper, families], index) => ({
    id: `${name}-${index}`,
    protocol: 'tcp',
    port: 21,
    helper,
    scope: null,
    expiresAt: null,
    families,
  }));
  return { router, reason: '', helpers: made as unknown as StatusView['helpers'] };
}

const UP: HostFact = { host: 'h', silentSince: null, kernel: { up: true, since: ago(100), reason: '' } };
const both = (status: StatusValue, rest: Partial<FamilyStatus> = {}) => [family(status, rest), family(status, { ...rest, family: 'ipv6' })];

function lines(views: StatusView[], hosts: HostFact[] = [UP], options: { onlyProblems?: boolean } = {}): string[] {
  const { text } = statusText(views, hosts, { onlyProblems: false, now: NOW, width: 80, ...options });
  return text.split('\n');
}

describe('the text of a status', () => {
  it('begins with a summary, and shows families of one status together with the time since the kernel was seen', () => {
    expect(lines([view('edge', { ftp: both('ACTIVE') })])).toEqual([
      '1 helper: 1 ACTIVE; 1 host',
      '',
      'ROUTER  HELPER  PORT    FAMILY     STATUS  SEEN',
      'edge    ftp     tcp/21  ipv4 ipv6  ACTIVE  12 s',
      '',
    ]);
  });

  it('has problems first, the worst before the others, and their reasons below them', () => {
    const stale = { reason: 'not verified since then', verifiedAt: ago(600) };
    const found = lines([
      view('a', { ftp: both('ACTIVE') }),
      view('b', { sip: [family('PENDING', { reason: 'waits' })], irc: [family('STALE', stale)] }),
      view('c', { tftp: [family('ERROR', { reason: 'no kernel has it' }), family('ACTIVE', { family: 'ipv6' })] }),
      view('d', {}),
    ]);
    expect(found).toEqual([
      '4 helpers: 1 ERROR, 1 STALE, 1 PENDING, 1 ACTIVE; 1 host',
      '',
      'ROUTER  HELPER  PORT    FAMILY     STATUS   SEEN',
      'c       tftp    tcp/21  ipv4       ERROR    -',
      '  no kernel has it',
      'b       irc     tcp/21  ipv4       STALE    10 m',
      '  not verified since then',
      'b       sip     tcp/21  ipv4       PENDING  -',
      '  waits',
      'a       ftp     tcp/21  ipv4 ipv6  ACTIVE   12 s',
      'c       tftp    tcp/21  ipv6       ACTIVE   12 s',
      'd       -       -       -          -        -',
      '  no helpers',
      '',
    ]);
  });

  it('shows problems only where it is asked to', () => {
    const views = [view('a', { ftp: both('ACTIVE') }), view('b', { sip: [family('PENDING')] }), view('c', {})];
    expect(lines(views, [UP], { onlyProblems: true }).filter((line) => /^[abc] /.test(line))).toEqual([
      'b       sip     tcp/21  ipv4    PENDING  -',
    ]);
    expect(lines([view('a', { ftp: both('ACTIVE') })], [UP], { onlyProblems: true })).toEqual(['1 helper: 1 ACTIVE; 1 host', '']);
  });

  it('counts routers that are not confined, if a helper of theirs announces connections', () => {
    const confined = (value: StatusView, confinement: null | object) =>
      ({ ...value, router: { ...value.router, confinement } }) as unknown as StatusView;
    const open = confined(view('a', { ftp: both('ACTIVE') }), null);
    const silent = confined(view('b', { snmp: [family('ACTIVE')] }), null);
    const kept = confined(view('c', { ftp: both('ACTIVE') }), { blockPorts: [], ratePerSecond: 100 });
    const first = (views: StatusView[]) => lines(views, [UP])[0];
    expect(first([open, silent, kept])).toBe('3 helpers: 3 ACTIVE; 1 host; 1 router not confined');
    expect(first([open, open])).toContain('; 2 routers not confined');
    expect(first([silent, kept, view('d', { ftp: both('ACTIVE') })])).toBe('3 helpers: 3 ACTIVE; 1 host');
  });

  it('names silent hosts and kernel processes that do not answer, of several hosts five', () => {
    const away = (host: string): HostFact => ({
      host,
      silentSince: null,
      kernel: { up: false, since: ago(60), reason: 'does not answer' },
    });
    const silent: HostFact = { ...away('s'), silentSince: ago(90) };
    expect(lines([], [UP, silent, away('k')])).toEqual([
      '0 helpers; 3 hosts, 1 silent, 1 whose kernel process does not answer',
      `The agent on s has been silent since ${ago(90)}.`,
      `The kernel process on k does not answer (since ${ago(60)}).`,
      '',
    ]);
    const many = lines(
      [],
      Array.from({ length: 8 }, (_, index) => away(`k${index}`)),
    );
    expect([many.length, many.at(-2)]).toEqual([8, '3 more hosts likewise.']);
  });

  it('counts helpers that are not ACTIVE and hosts with a problem', () => {
    const { problems } = statusText(
      [view('a', { ftp: both('ACTIVE'), sip: [family('PENDING')], irc: [family('ERROR')] })],
      [{ ...UP, silentSince: ago(90) }],
      { onlyProblems: false, now: NOW, width: 80 },
    );
    expect(problems).toBe(3);
  });

  it('fits 80 columns, whatever the names are, and says of which host each router is where there are several', () => {
    const long = 'n'.repeat(255);
    const reason = `not verified since ${ago(600)}: the kernel process on ${'h'.repeat(30)} does not answer (since ${ago(500)})`;
    const views = [view(long, { 'netbios-ns': both('STALE', { reason, verifiedAt: ago(6_000) }) }, 'host-one'), view('b', {}, long)];
    for (const shown of [views, views.slice(0, 1)]) {
      const found = lines(shown, [{ ...UP, host: 'h'.repeat(40), silentSince: ago(90) }]);
      expect(found.filter((line) => line.length > 80)).toEqual([]);
      expect(found.join('\n').includes('HOST')).toBe(shown.length > 1);
    }
    expect(lines(views).join(' ')).toContain('does not answer');
  });

  it('is not cut where there is room', () => {
    const { text } = statusText([view('n'.repeat(100), { ftp: both('ACTIVE') })], [], {
      onlyProblems: false,
      now: NOW,
      width: Number.POSITIVE_INFINITY,
    });
    expect(text).toContain('n'.repeat(100));
  });

  it.each([
    [0, '0 s'],
    [119, '119 s'],
    [600, '10 m'],
    [10_000, '3 h'],
    [400_000, '5 d'],
    [-5, '0 s'],
  ])('says %i seconds as %s', (seconds, text) => {
    expect(lines([view('a', { ftp: [family('ACTIVE', { verifiedAt: ago(seconds) })] })]).join('\n')).toContain(`ACTIVE  ${text}`);
  });
});
