import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { momentOf, timed } from '../../src/agent/verification.ts';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import { type ConntrackHelper, HELPER_CREATE } from '../../src/contract/helper.ts';
import { type HelperId, MAX_HELPERS_PER_ROUTER, REVISION, type RouterId } from '../../src/contract/primitives.ts';
import { ROUTER, ROUTER_INPUT, type Router } from '../../src/contract/router.ts';
import { read } from '../../src/contract/shape.ts';
import { parseRequest } from '../../src/kernel/protocol.ts';
import { CATALOGUE, FAMILIES } from '../../src/model/catalogue.ts';
import { render } from '../../src/plan/render.ts';
import { fromHelper, fromRouter, toHelper, toRouter } from '../../src/store/rows.ts';
import { PLAN, PULL, REPORT_STATUS } from '../../src/wire/messages.ts';
import { ALL_CAPABILITIES } from '../support/arbitraries.ts';
import { arbitraryOf, wireOf } from '../support/arbitrary-of.ts';
import { runs } from '../support/runs.ts';
import { LAW_TIMEOUT_MS } from '../support/shape-laws.ts';
import { TestClock } from '../support/test-clock.ts';

const NOW = new Date('1970-01-01T00:00:00Z');

/** As a bus or a socket brings it. */
const carried = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** What the API stores of a request's body, as `control/routers.ts` fills it up. */
function storedRouter(body: unknown, revision = 1): Router {
  const input = read(ROUTER_INPUT, body, '', 'input');
  const made: Router = {
    id: '11111111-1111-4111-8111-111111111111' as RouterId,
    name: input.name ?? '',
    description: input.description ?? '',
    projectId: input.projectId ?? '',
    host: input.host ?? 'h',
    netns: input.netns ?? 'n',
    confinement: input.confinement ?? null,
    labels: input.labels ?? {},
    revision,
    createdAt: NOW.toISOString(),
    updatedAt: NOW.toISOString(),
  };
  return toRouter(fromRouter(made));
}

function storedHelper(body: unknown, index: number): ConntrackHelper {
  const { scope = null, expiresAt = null, ...declared } = read(HELPER_CREATE, body, '', 'input');
  const id = `22222222-2222-4222-8222-${index.toString(16).padStart(12, '0')}` as HelperId;
  const routerId = '11111111-1111-4111-8111-111111111111' as RouterId;
  const row = fromHelper({ id, routerId, ...declared, scope, expiresAt, revision: 1 });
  return toHelper({ ...row, created_at: NOW.toISOString() });
}

/** A router as its agent reads it from the server's answer, and as the agent reads it from the question about its plan. */
function pulled(router: Router, helpers: readonly ConntrackHelper[]): DesiredRouter {
  const { id, name, netns, revision, confinement } = router;
  const desired = { id, name, netns: netns ?? '', revision, confinement, helpers };
  const answer = { epoch: 'e', routers: [{ ok: true as const, value: desired }], marker: null, unchanged: false };
  const [item] = read(PULL.answer, carried(PULL.answer.write(answer))).routers;
  if (!item?.ok) throw new Error(`the agent does not read what the API took: ${JSON.stringify(item)}`);
  expect(read(PLAN.request, carried(PLAN.request.write({ router: desired }))).router).toEqual(item.value);
  return item.value;
}

/** Renders what an agent pulled, has the kernel process read its table, and the server its report. */
function applied(desired: DesiredRouter): ReturnType<typeof render> {
  const plan = render(desired, ALL_CAPABILITIES, NOW);
  const request = { method: 'apply', items: [{ netns: desired.netns, table: plan.table, replaces: null }] };
  const { request: taken } = parseRequest(carried({ id: 1, request }));
  expect(taken).toEqual({ method: 'apply', items: [{ ok: true, value: { netns: desired.netns, table: plan.table, replaces: null } }] });
  const synced = { routerId: desired.id, revision: desired.revision, reason: '', helpers: plan.statuses, drifts: 0 };
  const clock = new TestClock();
  const report = timed(synced, momentOf(clock), clock);
  const reports = [{ ok: true as const, value: report }];
  expect(read(REPORT_STATUS.request, carried(REPORT_STATUS.request.write({ host: 'h', at: null, reports }))).reports).toEqual(reports);
  return plan;
}

/** Every name of the catalogue over each protocol that the API takes for it. */
const pairs = CATALOGUE.flatMap(({ helper, protocols }) =>
  Object.entries(protocols).map(([protocol, { kernel, port }]) => ({ helper, protocol, port, kernel })),
);

/** Any helper that the API reads, and as often one of the catalogue. */
const helperBody = fc
  .tuple(wireOf(HELPER_CREATE), fc.option(fc.constantFrom(...pairs)))
  .map(([body, pair]) => (pair ? { ...(body as object), helper: pair.helper, protocol: pair.protocol } : body));

describe('what the API accepts, the agent reads and the kernel process takes', () => {
  it(
    'any router with any helpers',
    () => {
      let tables = 0;
      fc.assert(
        fc.property(wireOf(ROUTER_INPUT), arbitraryOf(REVISION), fc.array(helperBody, { maxLength: 4 }), (routerBody, revision, bodies) => {
          const [router, helpers] = [storedRouter(routerBody, revision), bodies.map(storedHelper)];
          const desired = pulled(router, helpers);
          expect(desired.refused).toEqual([]);
          expect(desired.helpers).toEqual(helpers.map(({ routerId: _, revision: __, ...helper }) => helper));
          const { statuses, table } = applied(desired);
          if (table) tables++;
          const live = helpers.filter(({ expiresAt }) => expiresAt === null || Date.parse(expiresAt) > NOW.getTime());
          expect(new Set(statuses.map(({ helperId }) => helperId))).toEqual(new Set(live.map(({ id }) => id)));
        }),
        runs(),
      );
      // The law says little of routers without a table.
      expect(tables).toBeGreaterThan(runs().numRuns / 10);
    },
    LAW_TIMEOUT_MS,
  );

  it.each(pairs)('$helper over $protocol', ({ helper, protocol, port, kernel }) => {
    for (const confine of [true, false]) {
      const desired = pulled(storedRouter({ confine }), [storedHelper({ helper, protocol, port }, 0)]);
      const { table, statuses } = applied(desired);
      expect(table === null).toBe(kernel === null);
      const active = statuses.flatMap(({ families }) => families.filter(({ status }) => status === 'ACTIVE').map(({ family }) => family));
      expect(active).toEqual(FAMILIES.filter((family) => kernel?.families.includes(family)));
    }
  });

  it('as many helpers as a router may have, each with a scope, of both families, under confinement', () => {
    const bodies = Array.from({ length: MAX_HELPERS_PER_ROUTER }, (_, index) => ({
      helper: 'sip',
      protocol: index % 2 === 0 ? 'udp' : 'tcp',
      port: 65_535 - index,
      scope:
        index % 3 === 0
          ? { source: `10.${index % 256}.0.0/16`, destination: '192.0.2.0/24', in_interface: 'abcdefghijklmno' }
          : { source: `2001:db8:${index.toString(16)}::/48`, destination: '2001:db8:ffff:ffff::/64' },
    }));
    const desired = pulled(storedRouter({ confine: true }), bodies.map(storedHelper));
    expect(desired.helpers.length).toBe(MAX_HELPERS_PER_ROUTER);
    const { table } = applied(desired);
    expect(table?.chains.find(({ name }) => name === 'assign')?.rules.length).toBe(MAX_HELPERS_PER_ROUTER);
  });

  it(
    'a stored router is shown by the API as its own schema says',
    () => {
      fc.assert(
        fc.property(arbitraryOf(ROUTER), (router) => {
          expect(read(ROUTER, carried(ROUTER.write(toRouter(fromRouter(router)))))).toEqual(router);
        }),
        runs(),
      );
    },
    LAW_TIMEOUT_MS,
  );
});
