import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatNetwork, networkContains, parseNetwork } from '../../src/model/address.ts';
import { FAMILIES, type Family } from '../../src/model/catalogue.ts';
import { networkFor } from '../../src/proof/network.ts';
import { readRuleset } from '../../src/review/engine.ts';
import { NO_HOST, RulesetView } from '../../src/review/ruleset/view.ts';
import { subject } from '../support/review.ts';

function networkOf(family: Family, conditions: string) {
  const text = `table inet fw {
	ct helper ftp-tcp {
		type "ftp" protocol tcp
	}
	chain pre {
		type filter hook prerouting priority mangle; policy accept;
		${conditions} tcp dport 21 ct helper set "ftp-tcp"
	}
}
`;
  const view = new RulesetView('x.nft', readRuleset(subject('x.nft', 'nft', text)), { host: NO_HOST });
  return networkFor(view, view.assignments[0] ?? null, family);
}

const address = (text: string) => parseNetwork(text, 'address');
const network = (family: Family) =>
  fc
    .tuple(
      fc.uint8Array({ minLength: family === 'ipv4' ? 4 : 16, maxLength: family === 'ipv4' ? 4 : 16 }),
      fc.integer({ min: 8, max: 128 }),
    )
    .map(([bytes, prefix]) => {
      const most = bytes.length * 8;
      const text =
        family === 'ipv4'
          ? bytes.join('.')
          : Buffer.from(bytes)
              .toString('hex')
              .replace(/(.{4})(?!$)/g, '$1:');
      return parseNetwork(`${text}/${Math.min(prefix, most)}`, 'network');
    });

describe("the laboratory's network", () => {
  it.each(FAMILIES)('has hosts that the conditions of an assignment hold for, each on a link with its gateway: %s', (family) => {
    fc.assert(
      fc.property(network(family), network(family), (source, destination) => {
        const keyword = family === 'ipv4' ? 'ip' : 'ip6';
        const made = networkOf(family, `${keyword} saddr ${formatNetwork(source)} ${keyword} daddr ${formatNetwork(destination)}`);
        expect(networkContains(source, address(made.client.host))).toBe(true);
        expect(networkContains(destination, address(made.server.host))).toBe(true);
        for (const { host, gateway, prefix } of [made.client, made.server]) {
          expect(gateway).not.toBe(host);
          expect(networkContains(address(`${host}/${prefix}`), address(gateway))).toBe(true);
        }
      }),
    );
  });

  it.each([
    ['ipv4', 'ip saddr 10.66.0.0/16', '10.66.0.2', '203.0.113.2'],
    ['ipv4', 'ip saddr 203.0.113.64/26', '203.0.113.66', '198.51.100.2'],
    ['ipv4', 'ip daddr 10.66.1.7', '10.66.2.2', '10.66.1.7'],
    ['ipv4', 'ip saddr 192.0.2.10-192.0.2.20', '192.0.2.10', '203.0.113.2'],
    ['ipv4', 'ip saddr { 192.0.2.1, 192.0.2.9 }', '192.0.2.1', '203.0.113.2'],
    ['ipv4', 'ip saddr 0.0.0.0/0', '10.66.1.2', '203.0.113.2'],
    ['ipv4', 'ip saddr != 192.0.2.0/24', '10.66.1.2', '203.0.113.2'],
    ['ipv6', 'ip6 saddr fd66:2::/64', 'fd66:2::2', 'fd66:4::2'],
    ['ipv6', 'ip6 daddr 2001:db8::1', 'fd66:1::2', '2001:db8::1'],
    ['ipv6', '', 'fd66:1::2', 'fd66:2::2'],
  ] as const)('%s, %s: the client is %s% and the server %s', (family, conditions, client, server) => {
    const made = networkOf(family, conditions);
    expect([made.client.host, made.server.host]).toEqual([client, server]);
  });
});
