import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { HELPER } from '../../src/contract/helper.ts';
import type { Declared, DeclaredHelper } from '../../src/contract/manifest.ts';
import type { RouterId } from '../../src/contract/primitives.ts';
import { ROUTER } from '../../src/contract/router.ts';
import { formatScope } from '../../src/contract/scope.ts';
import { planSteps } from '../../src/control/manifest-steps.ts';
import { toManifest } from '../../src/manifest/export.ts';
import { parseManifest } from '../../src/manifest/read-file.ts';
import { arbitraryOf } from '../support/arbitrary-of.ts';
import { runs } from '../support/runs.ts';
import { LAW_TIMEOUT_MS } from '../support/shape-laws.ts';

const NOW = new Date('2030-01-01T00:00:00Z');

/** A helper as a database may hold it now: its time is not over. */
const helper: fc.Arbitrary<DeclaredHelper> = fc
  .tuple(arbitraryOf(HELPER), fc.constantFrom('tcp', 'udp'))
  .map(([one, protocol]) => ({ ...one, protocol, expiresAt: isOver(one.expiresAt) ? '2031-01-01T00:00:00.000Z' : one.expiresAt }));

function isOver(expiresAt: string | null): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= NOW.getTime();
}

/** No two helpers of a router have the same protocol, port, name and scope: the database sees to it. */
const helpers: fc.Arbitrary<DeclaredHelper[]> = fc.uniqueArray(helper, {
  maxLength: 3,
  selector: (one) => [one.protocol, one.port, one.helper, formatScope(one.scope)].join(' '),
});

/** Names that are the same, empty, or mean something in YAML come up often. */
const names = fc.constantFrom('', 'r', 'edge', '- a: b', '---', 'null', '12', '#', "'", '"', '&x', ' padded ', 'ends:');
const declared: fc.Arbitrary<Declared[]> = fc.uniqueArray(
  fc.record({ router: arbitraryOf(ROUTER), name: fc.option(names), helpers }).map(({ router, name, helpers: own }) => ({
    router: { ...router, name: name ?? router.name },
    helpers: own,
  })),
  { maxLength: 4, selector: ({ router }) => router.id },
);

describe('what export writes, apply reads back to the same', () => {
  const stepsOf = (text: string, state: readonly Declared[]) =>
    planSteps(parseManifest(text, 'export.yaml').manifest, state, { prune: true, now: NOW });

  it(
    'in one document',
    () => {
      fc.assert(
        fc.property(declared, (state) => {
          expect(stepsOf(stringify(toManifest(state)), state)).toEqual([]);
        }),
        runs(),
      );
    },
    LAW_TIMEOUT_MS,
  );

  it(
    'in a document for each router',
    () => {
      fc.assert(
        fc.property(declared, (state) => {
          const { routers } = toManifest(state) as { routers: object[] };
          const text = routers.map((router) => stringify({ routers: [router] })).join('---\n');
          if (routers.length > 0) expect(stepsOf(text, state)).toEqual([]);
        }),
        runs(0.2),
      );
    },
    LAW_TIMEOUT_MS,
  );

  it('a helper of the file whose time is other than the declared one’s is a change, and one without a time is left as it is', () => {
    const [state] = fc.sample(
      declared.filter((all) => all.some((one) => one.helpers.length > 0)),
      { numRuns: 1, seed: 1 },
    ) as [Declared[]];
    const id = '33333333-3333-4333-8333-333333333333' as RouterId;
    const [first] = state.flatMap((one) => one.helpers.map((helper) => ({ router: { ...one.router, id, name: 'r' }, helpers: [helper] })));
    if (!first) throw new Error('there is a helper');
    const ttl = (expiresAt: string | null): Declared[] => [
      { ...first, helpers: first.helpers.map((helper) => ({ ...helper, expiresAt })) },
    ];
    const file = (expiresAt: string | null) => stringify(toManifest(ttl(expiresAt)));
    expect(stepsOf(file('2031-01-01T00:00:00.000Z'), ttl(null)).map(({ step }) => step)).toEqual(['update-helper']);
    expect(stepsOf(file(null), ttl('2031-01-01T00:00:00.000Z'))).toEqual([]);
  });
});
