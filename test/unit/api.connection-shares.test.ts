import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionShares } from '../../src/api/connection-shares.ts';
import { peerOf } from '../../src/api/connections.ts';
import { runs } from '../support/runs.ts';

const LIMITS = { total: 10, reserved: 2, perAddress: 4 };
const remote = (address: string) => ({ address, isLocal: false });
const local = { address: 'this host', isLocal: true };

describe('shares of connections', () => {
  it('an address that has its share makes room itself, its oldest first', () => {
    const shares = new ConnectionShares<string>(LIMITS);
    for (const name of ['a1', 'a2', 'a3', 'a4']) expect(shares.add(name, remote('a'))).toBeNull();
    shares.begin('a1');
    shares.signedIn('a2');
    expect(shares.add('a5', remote('a'))).toBe('a3');
    expect(shares.add('a6', remote('a'))).toBe('a4');
    shares.begin('a5');
    shares.begin('a6');
    expect(shares.add('a7', remote('a'))).toBe('a2');
    shares.begin('a7');
    expect(shares.add('a8', remote('a'))).toBe('a8');
    shares.end('a1');
    expect(shares.add('a8', remote('a'))).toBe('a1');
  });

  it('when all are taken, the address that has most makes room', () => {
    const shares = new ConnectionShares<string>(LIMITS);
    for (const name of ['a1', 'b1', 'a2', 'b2', 'a3', 'b3', 'a4', 'c1']) shares.add(name, remote(name.charAt(0)));
    expect(shares.add('d1', remote('d'))).toBe('a1');
  });

  it('clients on this host find a place when the others are busy, and lose none to them', () => {
    const shares = new ConnectionShares<string>(LIMITS);
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'b3', 'b4']) {
      shares.add(name, remote(name.charAt(0)));
      shares.begin(name);
    }
    expect(shares.add('c1', remote('c'))).toBe('c1');
    for (const name of ['l1', 'l2']) expect(shares.add(name, local)).toBeNull();
    expect(shares.add('c1', remote('c'))).toBe('c1');
    expect(shares.add('l3', local)).toBe('l1');
  });

  it('law: whatever comes and goes, no bound is exceeded, and no connection with a request is closed', () => {
    const step = fc.record({
      address: fc.constantFrom('a', 'b', 'c', 'd', 'this host'),
      does: fc.constantFrom('come', 'come', 'go', 'begin', 'end', 'sign in'),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const shares = new ConnectionShares<number>(LIMITS);
        const open = new Map<number, { address: string; busy: number }>();
        for (const [name, { address, does, which }] of steps.entries()) {
          const chosen = [...open.keys()][which % Math.max(1, open.size)];
          const one = open.get(chosen ?? -1);
          if (does === 'come') {
            open.set(name, { address, busy: 0 });
            const leaves = shares.add(name, { address, isLocal: address === 'this host' });
            if (leaves !== null && open.get(leaves)?.busy !== 0) throw new Error(`step ${name} closes a connection with a request`);
            if (leaves !== null) open.delete(leaves);
          } else if (chosen !== undefined && one) {
            if (does === 'go') {
              shares.remove(chosen);
              open.delete(chosen);
            }
            if (does === 'begin') {
              shares.begin(chosen);
              one.busy++;
            }
            if (does === 'end' && one.busy > 0) {
              shares.end(chosen);
              one.busy--;
            }
            if (does === 'sign in') shares.signedIn(chosen);
          }
          const of = (wanted: (address: string) => boolean) => [...open.values()].filter((each) => wanted(each.address)).length;
          const isBounded =
            shares.size === open.size &&
            open.size <= LIMITS.total &&
            of((each) => each !== 'this host') <= LIMITS.total - LIMITS.reserved &&
            ['a', 'b', 'c', 'd'].every((each) => of((own) => own === each) <= LIMITS.perAddress);
          // A matcher for each step would take most of the time.
          if (!isBounded) throw new Error(`step ${name} exceeds a bound`);
        }
      }),
      runs(300),
    );
  });

  it.each([
    ['127.0.0.1', 'this host'],
    ['127.8.9.1', 'this host'],
    ['::1', 'this host'],
    ['::ffff:127.0.0.1', 'this host'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('the peer %s counts for %s', (remoteAddress, address) => {
    expect(peerOf({ remoteAddress })).toEqual({ address, isLocal: address === 'this host' });
  });
});
