import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Places } from '../../src/control/places.ts';
import { runs } from '../support/runs.ts';

const SHARES = { total: 10, reserved: 2, perOwner: 4 };
const member = (owner: string) => ({ owner, isAdmin: false });
const admin = { owner: 'admin', isAdmin: true };

describe('places that many share', () => {
  it('one owner gets no more than a share, and others find room', () => {
    const places = new Places(SHARES);
    const mine = Array.from({ length: 4 }, () => places.take(member('mine')));
    expect(() => places.take(member('mine'))).toThrow(/All 4 places that one project may have/);
    places.take(member('yours'));
    mine[0]?.();
    mine[0]?.();
    places.take(member('mine'));
    expect(() => places.take(member('mine'))).toThrow();
  });

  it('admins find a place when the others have none', () => {
    const places = new Places(SHARES);
    for (const owner of ['a', 'a', 'a', 'a', 'b', 'b', 'b', 'b']) places.take(member(owner));
    expect(() => places.take(member('c'))).toThrow(/All 10 places of this server are taken/);
    places.take(admin);
    places.take(admin);
    expect(() => places.take(admin)).toThrow();
  });

  it('law: whatever is taken and given back, the shares hold', () => {
    const step = fc.record({ owner: fc.constantFrom('a', 'b', 'c', 'admin'), back: fc.boolean(), which: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const places = new Places(SHARES);
        const held: { owner: string; leave: () => void }[] = [];
        for (const { owner, back, which } of steps) {
          const [one] = back && held.length > 0 ? held.splice(which % held.length, 1) : [];
          one?.leave();
          try {
            if (!back) held.push({ owner, leave: places.take({ owner, isAdmin: owner === 'admin' }) });
          } catch {
            const own = held.filter((other) => other.owner === owner).length;
            expect(own === SHARES.perOwner || held.length >= (owner === 'admin' ? SHARES.total : SHARES.total - SHARES.reserved)).toBe(
              true,
            );
          }
          for (const who of ['a', 'b', 'c', 'admin'])
            expect(held.filter((other) => other.owner === who).length).toBeLessThanOrEqual(SHARES.perOwner);
          expect(held.length).toBeLessThanOrEqual(SHARES.total);
        }
      }),
      runs(),
    );
  });
});
