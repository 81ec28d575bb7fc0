import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Item, type ListOptions, listResponse, parseListQuery } from '../../src/api/neutron/query.ts';
import { runs } from '../support/runs.ts';

const OPTIONS: ListOptions = {
  collection: 'routers',
  filters: ['id', 'name', 'host', 'port', 'protocol'],
  sortKeys: ['id', 'name', 'host', 'port'],
  maxLimit: -1,
};
const URL_OF = { collection: 'routers', url: 'http://host/v2.0/routers' };

const item = fc.record({
  id: fc.uuid(),
  name: fc.constantFrom('', 'a', 'b', 'B', 'ä'),
  host: fc.constantFrom(null, 'h1', 'h2'),
  port: fc.integer({ min: 1, max: 4 }),
});
const items = fc.uniqueArray(item, { maxLength: 12, selector: ({ id }) => id });
/** Sort keys with a direction, each key once or several times. */
const order = fc.array(fc.tuple(fc.constantFrom('id', 'name', 'host', 'port'), fc.constantFrom('asc', 'desc')), { maxLength: 3 });
const filters = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('name'), fc.constantFrom('', 'a', 'b')),
    fc.tuple(fc.constant('host'), fc.constantFrom('h1', 'h2')),
    fc.tuple(fc.constant('port'), fc.constantFrom('1', '2', '3')),
  ),
  { maxLength: 3 },
);

type Given = Iterable<readonly [string, string]>;

function parametersOf(...given: Given[]): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const list of given) for (const [name, value] of list) parameters.append(name, value);
  return parameters;
}

function sorting(keys: readonly (readonly [string, string])[]): [string, string][] {
  return keys.flatMap(([key, direction]) => [
    ['sort_key', key],
    ['sort_dir', direction],
  ]);
}

interface Answer {
  readonly routers: Item[];
  readonly routers_links?: { readonly rel: string; readonly href: string }[];
}

function list(all: readonly Item[], parameters: URLSearchParams, options = OPTIONS): Answer {
  return listResponse(all, parseListQuery(parameters, options), URL_OF) as unknown as Answer;
}

function follow(answer: Answer, rel: 'next' | 'previous'): URLSearchParams | null {
  const href = answer.routers_links?.find((link) => link.rel === rel)?.href;
  return href === undefined ? null : new URL(href).searchParams;
}

/** Every page from the first, by the links of each. */
function walk(all: readonly Item[], first: URLSearchParams, rel: 'next' | 'previous'): Answer[] {
  const pages = [list(all, first)];
  for (let next = follow(pages[0] as Answer, rel); next; next = follow(pages.at(-1) as Answer, rel)) {
    pages.push(list(all, next));
    // Each page but the last is full, so there are no more of them than items, and one that is empty.
    expect(pages.length).toBeLessThanOrEqual(all.length + 1);
  }
  return pages;
}

describe('law: pages are the list, cut', () => {
  it('following next from the first page gives the whole list, once and in order', () => {
    fc.assert(
      fc.property(items, order, filters, fc.integer({ min: 1, max: 5 }), (all, keys, wanted, limit) => {
        const query = [...sorting(keys), ...wanted];
        const whole = list(all, parametersOf(query)).routers;
        const pages = walk(all, parametersOf(query, [['limit', String(limit)]]), 'next');
        expect(pages.flatMap(({ routers }) => routers)).toEqual(whole);
        for (const { routers } of pages.slice(0, -1)) expect(routers.length).toBe(limit);
      }),
      runs(),
    );
  });

  it('following previous from the last page gives it backwards, page by page', () => {
    fc.assert(
      fc.property(items, order, fc.integer({ min: 1, max: 5 }), (all, keys, limit) => {
        const whole = list(all, parametersOf(sorting(keys))).routers;
        const last = parametersOf(sorting(keys), [
          ['limit', String(limit)],
          ['page_reverse', 'True'],
        ]);
        const pages = walk(all, last, 'previous');
        expect(pages.toReversed().flatMap(({ routers }) => routers)).toEqual(whole);
      }),
      runs(0.5),
    );
  });

  it('is the same for the same items in another order, hosts that are null among them', () => {
    fc.assert(
      fc.property(
        items.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        order,
        ([all, shuffled], keys) => {
          const parameters = parametersOf(sorting(keys));
          expect(list(shuffled, parameters)).toEqual(list(all, parameters));
        },
      ),
      runs(),
    );
  });
});

describe('law: filters of one name are alternatives, those of different names all hold', () => {
  it('gives what a plain reading gives', () => {
    fc.assert(
      fc.property(items, filters, (all, wanted) => {
        const names = [...new Set(wanted.map(([name]) => name))];
        const matches = (one: Item) => names.every((name) => wanted.some(([key, value]) => key === name && value === String(one[name])));
        const found = list(all, parametersOf(wanted)).routers;
        expect(found.map(({ id }) => id).toSorted()).toEqual(
          all
            .filter(matches)
            .map(({ id }) => id)
            .toSorted(),
        );
      }),
      runs(),
    );
  });
});

describe('a list', () => {
  const ALL = [
    { id: '2', name: 'b', host: 'h1', port: 21 },
    { id: '1', name: 'a', host: null, port: 69 },
    { id: '3', name: 'a', host: 'h1', port: 21 },
  ];
  const ids = (query: string, options = OPTIONS) => list(ALL, new URLSearchParams(query), options).routers.map(({ id }) => id);

  it('is in the order of ids where none is asked for, and ids decide between equals', () => {
    expect(ids('')).toEqual(['1', '2', '3']);
    expect(ids('sort_key=name&sort_dir=asc')).toEqual(['1', '3', '2']);
    expect(ids('sort_key=name&sort_dir=desc&sort_key=id&sort_dir=desc')).toEqual(['2', '3', '1']);
  });

  it('has what is null before everything else, and behind it the other way round', () => {
    expect(ids('sort_key=host&sort_dir=asc')).toEqual(['1', '2', '3']);
    expect(ids('sort_key=host&sort_dir=desc')).toEqual(['2', '3', '1']);
  });

  it('has the fields that were asked for', () => {
    expect(list(ALL, new URLSearchParams('fields=id&fields=port&fields=')).routers[0]).toEqual({ id: '1', port: 69 });
    expect(list(ALL, new URLSearchParams('fields=nothing')).routers[0]).toEqual({});
  });

  it('converts what a filter says as it does a body', () => {
    expect(ids('port=%2021%20')).toEqual(['2', '3']);
    expect(() => ids('port=x')).toThrow("Invalid input for operation: 'x' is not an integer.");
    expect(() => ids('protocol=x')).toThrow("IP protocol 'x' is not supported");
    expect(ids('port=')).toEqual([]);
  });

  it('takes a marker that is not there for none, and none at all without a limit', () => {
    expect(ids('limit=2&marker=nowhere')).toEqual(['1', '2']);
    expect(ids('marker=2')).toEqual(['1', '2', '3']);
    expect(ids('limit=1&marker=3')).toEqual([]);
  });

  it('keeps the parameters of the request in its links', () => {
    const answer = list(ALL, new URLSearchParams('limit=1&name=a&fields=id&marker=x&page_reverse=False'));
    expect(answer.routers_links).toEqual([
      { rel: 'next', href: 'http://host/v2.0/routers?limit=1&name=a&fields=id&marker=1' },
      { rel: 'previous', href: 'http://host/v2.0/routers?limit=1&name=a&fields=id&marker=1&page_reverse=True' },
    ]);
  });

  it('gives pages that the database cut as they are', () => {
    const query = parseListQuery(new URLSearchParams('limit=2'), OPTIONS);
    expect(listResponse(ALL.slice(0, 2), query, { ...URL_OF, isPage: true })).toMatchObject({ routers: [{ id: '2' }, { id: '1' }] });
  });

  it.each([
    ['limit=2', 2],
    ['limit=0', 3],
    ['', 3],
  ])('has no page longer than configured: %s', (query, length) => {
    expect(ids(query).length).toBe(length);
    expect(ids(query, { ...OPTIONS, maxLimit: 2 }).length).toBe(2);
  });

  it.each([
    ['colour=red', "['colour'] is invalid attribute for filtering"],
    ['__proto__=x', "['__proto__'] is invalid attribute for filtering"],
    ['sort_key=name', 'The number of sort_keys and sort_dirs must be same'],
    ['sort_key=colour&sort_dir=asc', "['colour'] is invalid attribute for sort_keys"],
    ['sort_key=name&sort_dir=up', "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"],
    ['limit=-1', "Limit must be an integer 0 or greater and not '-1'."],
    ['limit=x', "Limit must be an integer 0 or greater and not 'x'."],
  ])('refuses %s', (query, message) => {
    expect(() => ids(query)).toThrow(message);
  });

  it('takes any query without an error other than a refusal', () => {
    const names = fc.constantFrom('fields', 'sort_key', 'sort_dir', 'limit', 'marker', 'page_reverse', 'name', 'port', 'protocol', 'x');
    fc.assert(
      fc.property(items, fc.array(fc.tuple(names, fc.string({ maxLength: 6 })), { maxLength: 5 }), (all, given) => {
        try {
          list(all, parametersOf(given));
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-input' });
        }
      }),
      runs(0.5),
    );
  });
});
