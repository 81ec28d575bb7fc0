import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

interface Answer {
  readonly routers: { id: string; router?: { id: string } }[];
  readonly next?: string | null;
}

const LISTS = STORES.flatMap((store) => ['/v1/routers', '/v1/status'].map((path) => ({ store, path })));

describe.each(LISTS)('pages of $path, on $store', ({ store, path }) => {
  const server = new TestServer('', { store });
  const ids: string[] = [];
  let member = '';
  const idOf = ({ id, router }: Answer['routers'][number]) => router?.id ?? id;

  beforeAll(async () => {
    await server.start();
    for (let index = 0; index < 7; index++) {
      const { body } = await server.call('POST', '/v1/routers', {
        name: `r${index}`,
        project_id: index % 2 === 0 ? 'even' : 'odd',
        labels: { n: `${index}` },
      });
      ids.push((body as { id: string }).id);
    }
    const { body } = await server.call('POST', '/v1/tokens', { role: 'member', project_id: 'even' });
    member = (body as { token: string }).token;
  });
  afterAll(() => server.close());

  async function read(limit: number, rest = '', token = server.token): Promise<string[][]> {
    const pages: string[][] = [];
    for (let from: string | null = ''; from !== null; ) {
      const response: Response = await fetch(`${server.url}${path}?limit=${limit}${rest}${from}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(response.status).toBe(200);
      const answer = (await response.json()) as Answer;
      expect(answer.next).not.toBeUndefined();
      pages.push(answer.routers.map(idOf));
      from = answer.next ? `&marker=${answer.next}` : null;
    }
    return pages;
  }

  it.each([1, 2, 3, 6, 7, 8, 1000])('of %i have each router once, in order, and no more than asked', async (limit) => {
    const pages = await read(limit);
    expect(pages.flat()).toEqual(ids.toSorted());
    expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(limit);
  });

  it('have what labels and the token let through, and nothing else', async () => {
    expect((await read(2, '&selector=n%3D3')).flat()).toEqual([ids[3]]);
    expect((await read(2, '', member)).flat()).toEqual(ids.filter((_, index) => index % 2 === 0).toSorted());
  });

  it('are not made without a limit, and a wrong limit is named', async () => {
    const { body } = await server.call('GET', path);
    expect((body as Answer).routers.map(idOf)).toEqual(ids.toSorted());
    expect(body).not.toHaveProperty('next');
    for (const limit of ['0', '1001', 'x', '-1'])
      expect(await server.call('GET', `${path}?limit=${limit}`)).toMatchObject({
        status: 400,
        body: { error: { message: expect.stringContaining('limit') } },
      });
  });
});
