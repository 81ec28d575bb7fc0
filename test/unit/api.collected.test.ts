import { expect, it } from 'vitest';
import { Collected } from '../../src/api/collected.ts';
import { TestClock } from '../support/test-clock.ts';

it('items that come together are handed on together, in their order, a part after the other', async () => {
  const clock = new TestClock();
  const parts: number[][] = [];
  let release = (): void => undefined;
  const collected = new Collected<number>(clock, (items) => {
    parts.push([...items]);
    return new Promise((resolve) => {
      release = resolve;
    });
  });
  for (let item = 0; item < 1_000; item++) collected.add(item);
  expect(parts).toEqual([]);
  await clock.advance(50);
  expect(parts.map(({ length }) => length)).toEqual([1_000]);
  collected.add(1_000);
  await clock.advance(500);
  expect(parts.length).toBe(1);
  release();
  await clock.advance(50);
  collected.add(1_001);
  expect(parts[1]).toEqual([1_000]);
  release();
  await clock.advance(100);
  expect(parts[2]).toEqual([1_001]);
});
