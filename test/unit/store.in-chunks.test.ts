import { expect, it } from 'vitest';
import { inChunks } from '../../src/store/in-chunks.ts';

it('queries in parts return all rows in order, also more than a call takes arguments', async () => {
  const ids = Array.from({ length: 501 }, (_, at) => String(at));
  const asked: number[] = [];
  const rows = await inChunks(ids, async (part) => {
    asked.push(part.length);
    return Array.from({ length: part.length * 800 }, (_, at) => at);
  });
  expect(asked).toEqual([500, 1]);
  expect(rows.length).toBe(501 * 800);
  expect(rows.at(-1)).toBe(799);
});
