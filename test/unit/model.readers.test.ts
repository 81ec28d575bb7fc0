import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestId } from '../../src/api/request-id.ts';
import { agentPermissions, SERVER_PERMISSIONS } from '../../src/bus/permissions.ts';
import { routersDigest } from '../../src/contract/desired-router.ts';
import { Mismatch } from '../../src/contract/mismatch.ts';
import { NETNS, netnsMatcher, showNetns } from '../../src/contract/netns.ts';
import { formatScope, scopeFamily } from '../../src/contract/scope.ts';
import { newTokenText } from '../../src/contract/token.ts';
import { ownPrincipal, principalOf, withRole } from '../../src/control/principal.ts';
import { formatNetwork, networkContains, parseNetwork } from '../../src/model/address.ts';
import { errorFromData, errorToData, PinholeError } from '../../src/model/errors.ts';
import { paint, statusStyle, table } from '../../src/terminal/table.ts';
import { agentTopic, hintTopic, serverTopic, versionOf } from '../../src/wire/topics.ts';
import { desiredRouter, hostileText, network, parseScope, scopeInput } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';

describe('law: a network has one spelling', () => {
  it('which reads back to the same network, and contains its own address', () => {
    fc.assert(
      fc.property(network, (text) => {
        const parsed = parseNetwork(text, 'x');
        const canonical = formatNetwork(parsed);
        expect(parseNetwork(canonical, 'x')).toEqual(parsed);
        expect(formatNetwork(parseNetwork(canonical, 'x'))).toBe(canonical);
        const [address = ''] = text.split('/');
        expect(networkContains(parsed, parseNetwork(address, 'x'))).toBe(true);
      }),
      runs(),
    );
  });

  it('and nothing else is one', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        try {
          parseNetwork(text, 'x');
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-input', details: { field: 'x' } });
        }
      }),
      runs(),
    );
    for (const wrong of ['10.0.0', '010.0.0.1', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0.1/', '1::2::3', 'fe80::1%eth0'])
      expect(() => parseNetwork(wrong, 'x')).toThrow('is not an address or network');
  });
});

describe('law: a scope', () => {
  it('reads back from what it became, and its family is that of its networks', () => {
    fc.assert(
      fc.property(scopeInput, (input) => {
        const scope = parseScope(input);
        if (scope === null) {
          expect([input.source, input.destination, input.in_interface]).toEqual([null, null, null]);
          return;
        }
        expect(parseScope({ source: scope.source, destination: scope.destination, in_interface: scope.inInterface })).toEqual(scope);
        const given = input.source ?? input.destination;
        expect(scopeFamily(scope)).toBe(given === null ? null : given.includes(':') ? 'ipv6' : 'ipv4');
        for (const part of [scope.source, scope.destination, scope.inInterface])
          if (part !== null) expect(formatScope(scope)).toContain(part);
      }),
      runs(),
    );
  });

  it('is refused for networks of two families', () => {
    expect(() => parseScope({ source: '10.0.0.1', destination: '::1' })).toThrow('of the same address family');
    expect(formatScope(null)).toBe('');
  });
});

describe('routers are compared by a digest', () => {
  it('that is the same for the same routers in any order, and another for others', () => {
    const [a, b] = [desiredRouter([]), desiredRouter([])];
    expect(routersDigest([a, b])).toBe(routersDigest([b, a]));
    expect(routersDigest([a, b])).not.toBe(routersDigest([a, { ...b, revision: 2 }]));
  });
});

describe('a namespace', () => {
  it('is one file name, or the host’s own', () => {
    for (const name of ['qrouter-1', 'a@b:c+d', '/']) expect(NETNS.read(name)).toBe(name);
    for (const wrong of ['', '.', '..', 'a/b', '/a', 'a b', 'x'.repeat(256), 5, null]) expect(() => NETNS.read(wrong)).toThrow(Mismatch);
  });

  it('matches patterns as a whole; the host’s own matches none of them', () => {
    const matches = netnsMatcher(['qrouter-*', 'a.b', '*'.repeat(2)], false);
    expect(['qrouter-1', 'xqrouter-1', 'a.b', '/'].map(netnsMatcher(['qrouter-*', 'a.b'], false))).toEqual([true, false, true, false]);
    expect(netnsMatcher(['a.b'], false)('axb')).toBe(false);
    expect([matches('anything'), netnsMatcher([], true)('/'), netnsMatcher([], true)('')]).toEqual([true, true, false]);
  });

  it('is shown so that the host’s own and none are told apart', () => {
    expect(['/', null, 'a'].map(showNetns)).toEqual(['(host)', '-', 'a']);
  });
});

describe('an error that crosses a socket', () => {
  it('arrives with code, message and details; an unknown code is internal', () => {
    const error = new PinholeError('netns-locked', 'm', { details: { field: 'netns' } });
    expect(errorFromData(errorToData(error))).toMatchObject({ code: 'netns-locked', message: 'm', details: { field: 'netns' } });
    expect(errorFromData({ code: 'constructor' as 'internal', message: 'm', details: {} }).code).toBe('internal');
    expect(errorToData('text')).toEqual({ code: 'internal', message: 'text', details: {} });
  });
});

describe('names', () => {
  it('of tokens are never the same', () => {
    const texts = Array.from({ length: 100 }, newTokenText);
    expect(new Set(texts).size).toBe(100);
    for (const text of texts) expect(text).toMatch(/^ph_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
  });

  it('of requests are a caller’s own where they have that form', () => {
    const own = 'req-00000000-0000-4000-8000-000000000000';
    expect(requestId(own)).toBe(own);
    for (const other of [undefined, 5, 'x', `${own}\n`, own.toUpperCase()]) {
      expect(requestId(other)).toMatch(/^req-[0-9a-f-]{36}$/);
      expect(requestId(other)).not.toBe(other);
    }
  });

  it('of topics are a host’s or a server’s own', () => {
    expect([hintTopic('h'), agentTopic('h'), serverTopic('s')]).toEqual([
      'neutron-vo-ConntrackHelper-1.0.h',
      'pinhole-agent.h',
      'pinhole-server.s',
    ]);
    expect(['push', 'bulk_pull', 'report_state', 'plan'].map(versionOf)).toEqual(['1.1', '1.1', '1.2', '1.0']);
  });
});

describe('what RabbitMQ lets an agent do', () => {
  const { configure, write, read, topicWrite, topicRead } = agentPermissions('h.1', 'ex');
  const allows = (pattern: string, name: string) => new RegExp(pattern).test(name);

  it('is its own queues and no other host’s, though a dot is any character', () => {
    const own = hintTopic('h.1');
    expect([allows(configure, own), allows(write, own), allows(read, own), allows(topicRead, own)]).toEqual([true, true, true, true]);
    for (const pattern of [configure, write, read, topicRead]) expect(allows(pattern, hintTopic('hx1'))).toBe(false);
    for (const pattern of [configure, write, read]) expect(allows(pattern, `${own}.more`)).toBe(false);
    expect([allows(topicWrite, 'q-plugin'), allows(topicWrite, own)]).toEqual([true, false]);
    expect(SERVER_PERMISSIONS.read).toBe('.*');
  });
});

describe('a principal', () => {
  it('has its role and those that it implies, and its project under both names', () => {
    expect(withRole({ name: 'n', projectId: 'p' }, 'member', 'r')).toMatchObject({
      roles: ['member', 'reader'],
      attributes: { project_id: 'p', tenant_id: 'p', user_id: null },
    });
    expect(principalOf({ name: 'n', projectId: null, userId: 'u' }, ['x'], 'r')).toMatchObject({
      roles: ['x'],
      attributes: { user_id: 'u' },
    });
    expect(ownPrincipal('janitor')).toMatchObject({ name: 'pinhole:janitor', projectId: null, roles: ['admin', 'member', 'reader'] });
  });
});

describe('a table for people', () => {
  const columns = [
    { title: 'NAME', value: ({ name }: { name: string }) => name },
    { title: 'STATUS', value: () => 'ACTIVE', style: () => statusStyle('ACTIVE') },
  ];

  it('is aligned, and lets no control character of a tenant through', () => {
    expect(table([{ name: 'a' }, { name: 'long\u001b[2J' }], columns, false)).toBe(
      'NAME      STATUS\na         ACTIVE\nlong?[2J  ACTIVE\n',
    );
  });

  it('has a colour for each status, and none for any other word', () => {
    expect(['ACTIVE', 'STALE', 'ERROR', 'UNKNOWN', 'constructor'].map(statusStyle)).toEqual(['green', 'yellow', 'red', 'magenta', null]);
    expect(stripVTControlCharacters(table([{ name: 'a' }], columns, true))).toBe('NAME  STATUS\na     ACTIVE\n');
    expect(stripVTControlCharacters(paint('red', 'text'))).toBe('text');
  });
});
