import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedLabels, LABELS, type Labels, sameLabels } from '../../src/contract/labels.ts';
import { Mismatch } from '../../src/contract/mismatch.ts';
import { isSelected, SELECTOR } from '../../src/contract/selector.ts';
import { TTL } from '../../src/contract/ttl.ts';
import { arbitraryOf } from '../support/arbitrary-of.ts';
import { runs } from '../support/runs.ts';

describe('labels', () => {
  it.each([
    { site: 'berlin' },
    { 'example.com/site': '', a: 'A-1_2.3' },
    { [`${'a'.repeat(63)}.${'b'.repeat(63)}/${'n'.repeat(63)}`]: 'v'.repeat(63) },
    JSON.parse('{"constructor": "x", "toString": "y"}'),
  ])('may be %j', (labels) => {
    expect(LABELS.read(labels)).toEqual(labels);
  });

  it.each([
    { '': 'x' },
    { '-a': 'x' },
    { 'a/b/c': 'x' },
    { '/a': 'x' },
    { 'Example.com/a': 'x' },
    { [`${'a'.repeat(254)}/a`]: 'x' },
    { ['n'.repeat(64)]: 'x' },
    { a: 'v'.repeat(64) },
    { a: '-' },
    { a: 'x y' },
    { a: 1 },
    { a: null },
    ['a'],
    JSON.parse('{"__proto__": "x"}'),
    Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`k${index}`, ''])),
  ])('are refused: %j', (labels) => {
    expect(() => LABELS.read(labels)).toThrow(Mismatch);
  });

  it('have the same JSON whatever their order', () => {
    const [a, b] = [LABELS.read({ x: '1', a: '2' }), LABELS.read({ a: '2', x: '1' })];
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
    expect([sameLabels(a, b), sameLabels(a, LABELS.read({ a: '2' }))]).toEqual([true, false]);
  });

  it('change one by one: others stay, null removes, and there are never too many', () => {
    expect(changedLabels({ site: 'berlin', tier: 'a' }, { tier: 'b', site: null, new: '' })).toEqual({ new: '', tier: 'b' });
    const many = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`k${index}`, '']));
    expect(() => changedLabels(many, { more: '' })).toThrow('at most 32 entries');
  });
});

describe('selectors', () => {
  const labels: Labels = { site: 'berlin', tier: '' };
  it.each([
    ['site=berlin', true],
    ['site==berlin', true],
    ['site = paris', false],
    ['site!=paris', true],
    ['env!=prod', true],
    ['site in (paris, berlin)', true],
    ['site notin (paris,berlin)', false],
    ['env notin (a)', true],
    ['env in (a)', false],
    ['tier=', true],
    ['tier', true],
    ['env', false],
    ['!env', true],
    ['!site', false],
    ['site=berlin,tier,!env', true],
    ['site=berlin,env', false],
    ['site in (berlin,x),tier in (a,)', true],
    ['constructor', false],
    ['!toString', true],
  ])('%s', (selector, selected) => {
    expect(isSelected(labels, SELECTOR.read(selector))).toBe(selected);
  });

  it.each(['', ',', 'site=berlin,', '=x', '!', 'a b', 'site in berlin', 'site in (a', 'a=b=c', '-x=1', 'site=x y', `${'a,'.repeat(33)}a`])(
    'refuses %j',
    (selector) => {
      expect(() => SELECTOR.read(selector)).toThrow(Mismatch);
    },
  );

  it('select the same after they are written and read', () => {
    fc.assert(
      fc.property(arbitraryOf(SELECTOR), arbitraryOf(LABELS), (selector, some) => {
        expect(isSelected(some, SELECTOR.read(SELECTOR.write(selector)))).toBe(isSelected(some, selector));
      }),
      runs(),
    );
  });
});

describe('a time to live', () => {
  it.each([
    ['90s', 90],
    ['30m', 1_800],
    ['12h', 43_200],
    ['7d', 604_800],
    ['999999d', 86_399_913_600],
  ])('%s is %i seconds', (text, seconds) => {
    expect(TTL.read(text)).toBe(seconds);
    expect(TTL.read(TTL.write(seconds))).toBe(seconds);
  });

  it.each(['', '0s', '1', 's', '-1s', '1.5h', '1000000s', '1w', '1 h', 60])('is not %j', (text) => {
    expect(() => TTL.read(text)).toThrow(Mismatch);
  });
});
