import { PinholeError } from '../../model/errors.ts';

/** Neutron's list parameters: filters with OR, `fields`, sorting with `id` as tie-break, paging by marker with links. */
export type Item = Readonly<Record<string, unknown>>;

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

const CONTROL = ['fields', 'sort_key', 'sort_dir', 'limit', 'marker', 'page_reverse'];

export interface ListOptions {
  readonly collection: string;
  /** Attributes that may be filtered and sorted by. */
  readonly attributes: readonly string[];
  /** Absolute URL of the request without its query, for links. */
  readonly url: string;
}

/** @throws PinholeError `invalid-input` with Neutron's words */
export function listResponse(items: readonly Item[], query: Query, options: ListOptions): Record<string, unknown> {
  const sorted = sortItems(filterItems(items, query, options.attributes), query, options.attributes);
  const limit = parseLimit(query);
  const page = limit === null ? { items: sorted, more: false, before: false } : cutPage(sorted, query, limit);
  const fields = values(query['fields']);
  const body = { [options.collection]: page.items.map((item) => selectFields(item, fields)) };
  return limit === null ? body : { ...body, ...links(page, query, options) };
}

function values(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

function filterItems(items: readonly Item[], query: Query, attributes: readonly string[]): readonly Item[] {
  const names = Object.keys(query).filter((name) => !CONTROL.includes(name));
  const unknown = names.filter((name) => !attributes.includes(name));
  if (unknown.length > 0) throw bad(`[${unknown.map((name) => `'${name}'`).join(', ')}] is invalid attribute for filtering`);
  return items.filter((item) => names.every((name) => values(query[name]).includes(String(item[name]))));
}

function sortItems(items: readonly Item[], query: Query, attributes: readonly string[]): readonly Item[] {
  const keys = values(query['sort_key']);
  const directions = values(query['sort_dir']);
  if (keys.length !== directions.length) throw bad('The number of sort_keys and sort_dirs must be same');
  const unknown = keys.filter((key) => !attributes.includes(key));
  if (unknown.length > 0) throw bad(`[${unknown.map((key) => `'${key}'`).join(', ')}] is invalid attribute for sort keys`);
  const wrong = directions.find((direction) => direction !== 'asc' && direction !== 'desc');
  if (wrong !== undefined) throw bad(`'${wrong}' is invalid value for sort_dirs; valid values are 'asc' and 'desc'`);
  const order = [...keys.map((key, index) => ({ key, sign: directions[index] === 'desc' ? -1 : 1 })), { key: 'id', sign: 1 }];
  return [...items].sort((a, b) => {
    for (const { key, sign } of order) {
      const left = a[key] as string | number;
      const right = b[key] as string | number;
      if (left !== right) return left < right ? -sign : sign;
    }
    return 0;
  });
}

function parseLimit(query: Query): number | null {
  const text = values(query['limit']).at(-1);
  if (text === undefined) return null;
  if (!/^\d{1,9}$/.test(text)) throw bad(`Limit must be an integer 0 or greater and not '${text.slice(0, 32)}'`);
  return Number(text) === 0 ? null : Number(text);
}

interface Page {
  readonly items: readonly Item[];
  /** There are items after, and before, this page. */
  readonly more: boolean;
  readonly before: boolean;
}

function cutPage(items: readonly Item[], query: Query, limit: number): Page {
  const marker = values(query['marker']).at(-1);
  const at = marker === undefined ? -1 : items.findIndex(({ id }) => id === marker);
  if (isReverse(query)) {
    const end = at < 0 ? items.length : at;
    const start = Math.max(0, end - limit);
    return { items: items.slice(start, end), more: end < items.length, before: start > 0 };
  }
  const page = items.slice(at + 1, at + 1 + limit);
  return { items: page, more: at + 1 + page.length < items.length || page.length === limit, before: true };
}

function isReverse(query: Query): boolean {
  return values(query['page_reverse']).at(-1)?.toLowerCase() === 'true';
}

/** As Neutron: a full page has a next link, whether or not anything follows; every non-empty page has a previous one. */
function links(page: Page, query: Query, options: ListOptions): Record<string, unknown> {
  const first = page.items[0];
  const last = page.items.at(-1);
  const found = [
    ...(last && page.more ? [{ rel: 'next', href: link(query, options, { marker: last['id'] as string, reverse: false }) }] : []),
    ...(first && page.before ? [{ rel: 'previous', href: link(query, options, { marker: first['id'] as string, reverse: true }) }] : []),
  ];
  return found.length > 0 ? { [`${options.collection}_links`]: found } : {};
}

function link(query: Query, options: ListOptions, to: { marker: string; reverse: boolean }): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (name === 'marker' || name === 'page_reverse') continue;
    for (const one of values(value)) parameters.append(name, one);
  }
  parameters.append('marker', to.marker);
  if (to.reverse) parameters.append('page_reverse', 'True');
  return `${options.url}?${parameters}`;
}

function selectFields(item: Item, fields: readonly string[]): Item {
  if (fields.length === 0) return item;
  return Object.fromEntries(Object.entries(item).filter(([name]) => fields.includes(name)));
}

function bad(message: string): PinholeError {
  return new PinholeError('invalid-input', message);
}
