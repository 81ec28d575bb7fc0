import { InvalidInput, PinholeError } from '../../model/errors.ts';
import { BAD_REQUEST, convertPort, convertProtocol } from './attributes.ts';
import { pyInt, pyRepr } from './python.ts';

/**
 * Neutron's list parameters (`neutron/api/api_common.py`): filters whose values are combined with OR, `fields`, sorting with `id` as
 * tie-break, and pages with markers and links. An item is the JSON form of a router or helper.
 */
export type Item = Readonly<Record<string, unknown>>;

const CONTROL = ['fields', 'sort_key', 'sort_dir', 'limit', 'marker', 'page_reverse'];
/** Attributes that Neutron converts before it filters. A conversion may refuse the value. */
const CONVERSIONS: Readonly<Record<string, (value: string) => unknown>> = { port: convertPort, protocol: convertProtocol };

/** What a collection supports: its name, the attributes to filter and to sort by, and the maximum length of a page. */
export interface ListOptions {
  readonly collection: string;
  readonly filters: readonly string[];
  readonly sortKeys: readonly string[];
  /** -1: a page may have any length. */
  readonly maxLimit: number;
}

/** The parsed parameters of a list request. */
export interface ListQuery {
  readonly filters: ReadonlyMap<string, readonly string[]>;
  readonly order: readonly { readonly key: string; readonly sign: 1 | -1 }[];
  readonly fields: readonly string[];
  /** Null: the answer is not paged. */
  readonly limit: number | null;
  readonly marker: string | null;
  readonly reverse: boolean;
  readonly parameters: URLSearchParams;
}

/** @throws PinholeError `invalid-input` with Neutron's message */
export function parseListQuery(parameters: URLSearchParams, options: ListOptions): ListQuery {
  const filters = parseFilters(parameters, options);
  const order = parseOrder(parameters, options);
  const limit = parseLimit(parameters, options.maxLimit);
  return {
    filters,
    order,
    fields: fieldsOf(parameters),
    limit,
    marker: limit === null ? null : parameters.get('marker'),
    reverse: parameters.get('page_reverse')?.toLowerCase() === 'true',
    parameters,
  };
}

/**
 * Returns the body of a list: the filtered, sorted and cut items with the fields that were asked for, and links if it is paged.
 * @param items all items, or those of the requested page
 * @param isPage whether `items` is the requested page already
 * @param url the request's URL without its query
 */
export function listResponse(
  items: readonly Item[],
  query: ListQuery,
  { collection, url, isPage = false }: { collection: string; url: string; isPage?: boolean },
): Record<string, unknown> {
  const page = isPage ? items : cutPage(sortItems(filterItems(items, query), query), query);
  const body = { [collection]: page.map((item) => selectFields(item, query.fields)) };
  return query.limit === null ? body : { ...body, [`${collection}_links`]: links(page, query, url) };
}

/** Returns the fields that the request asks for; an empty list means all. */
export function fieldsOf(parameters: URLSearchParams): readonly string[] {
  return parameters.getAll('fields').filter(Boolean);
}

/** Returns an item with only these fields; with all of them if the list is empty. */
export function selectFields(item: Item, fields: readonly string[]): Item {
  if (fields.length === 0) return item;
  return Object.fromEntries(Object.entries(item).filter(([name]) => fields.includes(name)));
}

function parseFilters(parameters: URLSearchParams, options: ListOptions): Map<string, string[]> {
  const names = [...new Set(parameters.keys())].filter((name) => !CONTROL.includes(name));
  const unknown = names.filter((name) => !options.filters.includes(name)).map((name) => name.slice(0, 64));
  if (unknown.length > 0) throw bad(`${pyRepr(unknown)} is invalid attribute for filtering`);
  return new Map(
    names.map((name) => [
      name,
      parameters.getAll(name).map((value) => (value === '' ? value : String((CONVERSIONS[name] ?? String)(value)))),
    ]),
  );
}

function parseOrder(parameters: URLSearchParams, { sortKeys }: ListOptions): { key: string; sign: 1 | -1 }[] {
  const keys = parameters.getAll('sort_key').filter(Boolean);
  const directions = parameters.getAll('sort_dir').filter(Boolean);
  if (keys.length !== directions.length) throw bad('The number of sort_keys and sort_dirs must be same');
  const unknown = keys.filter((key) => !sortKeys.includes(key)).map((key) => key.slice(0, 64));
  if (unknown.length > 0) throw bad(`${pyRepr(unknown)} is invalid attribute for sort_keys`);
  const wrong = directions.filter((direction) => direction !== 'asc' && direction !== 'desc').map((word) => word.slice(0, 64));
  if (wrong.length > 0) throw bad(`${pyRepr(wrong)} is invalid value for sort_dirs, valid value is 'asc' and 'desc'`);
  return keys.map((key, index) => ({ key, sign: directions[index] === 'desc' ? -1 : 1 }));
}

function parseLimit(parameters: URLSearchParams, maxLimit: number): number | null {
  const text = parameters.get('limit') ?? '0';
  const limit = pyInt(text);
  if (limit === null || limit < 0)
    throw new InvalidInput(BAD_REQUEST, `Bad limit request: Limit must be an integer 0 or greater and not '${text.slice(0, 64)}'.`);
  const bounded = maxLimit > 0 ? Math.min(maxLimit, limit) || maxLimit : limit;
  return bounded === 0 ? null : bounded;
}

function filterItems(items: readonly Item[], { filters }: ListQuery): readonly Item[] {
  if (filters.size === 0) return items;
  const wanted = [...filters];
  return items.filter((item) => wanted.every(([name, allowed]) => allowed.includes(String(item[name]))));
}

function sortItems(items: readonly Item[], { order }: ListQuery): readonly Item[] {
  const keys = [...order, { key: 'id', sign: 1 }];
  return [...items].sort((a, b) => {
    for (const { key, sign } of keys) {
      const difference = compare(a[key], b[key]);
      if (difference !== 0) return sign * difference;
    }
    return 0;
  });
}

/** Sorts null before any other value, as MySQL does, the database of most clouds. JavaScript's operators do not order null and text. */
function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? -1 : 1;
  return (a as string | number) < (b as string | number) ? -1 : 1;
}

/** Cuts the requested page. An unknown marker counts as none. */
function cutPage(items: readonly Item[], { limit, marker, reverse }: ListQuery): readonly Item[] {
  if (limit === null) return items;
  const at = marker === null ? -1 : items.findIndex(({ id }) => id === marker);
  if (!reverse) return items.slice(at + 1, at + 1 + limit);
  const end = at < 0 ? items.length : at;
  return items.slice(Math.max(0, end - limit), end);
}

/** A full page may have a next one; any page may have a previous one. */
function links(page: readonly Item[], { limit, reverse, parameters }: ListQuery, url: string): { rel: string; href: string }[] {
  const isShort = page.length < (limit ?? 0);
  const link = (rel: 'next' | 'previous', marker: unknown) => ({ rel, href: `${url}?${linkParameters(parameters, rel, marker)}` });
  return [
    ...(isShort && !reverse ? [] : [link('next', page.at(-1)?.['id'])]),
    ...(isShort && reverse ? [] : [link('previous', page[0]?.['id'])]),
  ];
}

function linkParameters(given: URLSearchParams, rel: 'next' | 'previous', marker: unknown): URLSearchParams {
  const parameters = new URLSearchParams([...given].filter(([name]) => name !== 'marker' && name !== 'page_reverse'));
  if (typeof marker === 'string') parameters.append('marker', marker);
  if (rel === 'previous') parameters.append('page_reverse', 'True');
  return parameters;
}

function bad(message: string): PinholeError {
  return new PinholeError('invalid-input', message);
}
