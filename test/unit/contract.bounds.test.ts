import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

interface Bound {
  readonly what: string;
  readonly text: RegExp;
  /** The one place, and others that are about something else, each with what that is. */
  readonly home: string;
  readonly besides?: Readonly<Record<string, string>>;
}

const PRIMITIVES = 'src/contract/primitives.ts';
const BOUNDS: readonly Bound[] = [
  {
    what: 'the largest port',
    text: /\b65_?535\b/,
    home: PRIMITIVES,
    besides: { 'src/review/source/rules/injection.ts': 'words of a finding' },
  },
  { what: 'the form of a UUID', text: /\{8\}-\[0-9a-f/i, home: PRIMITIVES },
  {
    what: 'the length of an interface name',
    text: /\bmax: 15\b|\{1,15\}/,
    home: PRIMITIVES,
    besides: {
      'src/contract/query.ts': 'digits of a whole number in a query',
      'src/proof/network.ts': 'names that the lab gives interfaces, fewer than the kernel takes',
      'src/model/table.ts': "digits of a revision in a table's stamp",
      'src/api/native/routes.ts': 'digits of a revision in an ETag',
    },
  },
  { what: 'the characters of an interface name', text: /\[A-Za-z0-9_\.:@-\]/, home: PRIMITIVES },
  { what: 'the characters of a namespace', text: /\[A-Za-z0-9_\.@:\+-\]/, home: 'src/contract/netns.ts' },
  { what: 'the characters of a pattern of namespaces', text: /\[A-Za-z0-9_\.@:\+\*-\]/, home: 'src/contract/netns.ts' },
  { what: 'the characters of a host name', text: /\^\[A-Za-z0-9_\.:?-\]/, home: PRIMITIVES },
  { what: 'the form of RFC 3339', text: /\\d\{4\}\)?-\(?\\d/, home: 'src/contract/time.ts' },
  { what: 'the most helpers of a router', text: /HELPERS_PER_ROUTER = \d|\b2_?000\b.*helpers|helpers.*\b2_?000\b/i, home: PRIMITIVES },
  { what: 'the most routers of a host', text: /ROUTERS_PER_HOST = \d/, home: PRIMITIVES },
];

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const TEXTS = sources('src').map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

it.each(BOUNDS)('$what stands in one place', ({ text, home, besides = {} }) => {
  const found = TEXTS.filter((source) => text.test(source.text)).map(({ path }) => path);
  expect(found.sort()).toEqual([home, ...Object.keys(besides)].sort());
});

it('no file outside the contract bounds a text at 255 bytes of a name', () => {
  const bound = /text\(\{[^}]*max: 255|value\.length > 255|\{1,255\}/;
  const found = TEXTS.filter(({ path, text }) => bound.test(text) && !path.startsWith('src/contract/')).map(({ path }) => path);
  expect(found).toEqual([]);
});
