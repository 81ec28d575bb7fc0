import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadState, StateSaver } from '../../src/agent/state-file.ts';
import { DESIRED_ROUTER } from '../../src/contract/desired-router.ts';
import {
  asReason,
  COUNT,
  EPOCH,
  INSTALLATION,
  MAX_HELPERS_PER_ROUTER,
  REASON,
  REVISION,
  TIME,
  UUID,
} from '../../src/contract/primitives.ts';
import { read } from '../../src/contract/shape.ts';
import { ROUTER_REPORT, type RouterReport } from '../../src/contract/status.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { hintedRouters, hintOf, pushedRouters } from '../../src/wire/hint.ts';
import { PULL, REPORT_STATUS } from '../../src/wire/messages.ts';
import { helpersQuestion, readHelpers } from '../../src/wire/neutron.ts';
import { METHODS } from '../../src/wire/topics.ts';
import { arbitraryOf } from '../support/arbitrary-of.ts';
import { realPorts } from '../support/ports.ts';
import { runs } from '../support/runs.ts';
import { LAW_TIMEOUT_MS } from '../support/shape-laws.ts';

const carried = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const law = (name: string, work: () => void | Promise<void>) => it(name, work, LAW_TIMEOUT_MS);

const routers = fc.uniqueArray(arbitraryOf(DESIRED_ROUTER), { maxLength: 6, selector: ({ id }) => id });
/** Which of the items are spoilt, and how. */
const spoilt = fc.array(fc.option(fc.constantFrom('revision', 'name', 'netns', 'unknown')), { minLength: 6, maxLength: 6 });

function withoutField(value: unknown, name: string): unknown {
  const entries = Object.entries(value as object);
  return Object.fromEntries(name === 'unknown' ? [...entries, ['unknown', 1]] : entries.filter(([key]) => key !== name));
}

describe('lists of a peer are read item by item', () => {
  law('of n routers of which k are bad, the n − k good ones come through, and each bad one is reported by its id', () => {
    fc.assert(
      fc.property(routers, spoilt, (all, how) => {
        const answer = PULL.answer.write({
          epoch: 'e',
          routers: all.map((value) => ({ ok: true, value })),
          marker: null,
          unchanged: false,
        });
        const { routers: sent, ...rest } = carried(answer) as { routers: unknown[] };
        const garbled = sent.map((one, index) => (how[index] ? withoutField(one, how[index]) : one));
        const { routers: found } = read(PULL.answer, { ...rest, routers: garbled });
        expect(found.map((item) => (item.ok ? item.value : item.key))).toEqual(all.map((one, index) => (how[index] ? one.id : one)));
        for (const [index, item] of found.entries())
          if (!item.ok)
            expect(item.error).toMatchObject({
              code: 'invalid-message',
              message: expect.stringMatching(new RegExp(`^\\[${index}\\]\\.${how[index]}: `)),
            });
      }),
      runs(),
    );
  });

  law('a bad report is reported by its router, and the others are read', () => {
    const reports = fc.array(arbitraryOf(ROUTER_REPORT), { maxLength: 6 });
    fc.assert(
      fc.property(reports, spoilt, (all, how) => {
        const request = carried(REPORT_STATUS.request.write({ host: 'h', at: null, reports: all.map((value) => ({ ok: true, value })) }));
        const { reports: sent, ...rest } = request as { reports: unknown[] };
        const isBad = (index: number) => how[index] === 'revision' || how[index] === 'unknown';
        const garbled = sent.map((one, index) => (isBad(index) ? withoutField(one, how[index] ?? '') : one));
        const { reports: found } = read(REPORT_STATUS.request, { ...rest, reports: garbled });
        expect(found.map((item) => (item.ok ? item.value : item.key))).toEqual(
          all.map((one, index) => (isBad(index) ? one.routerId : one)),
        );
      }),
      runs(),
    );
  });
});

describe('reports', () => {
  law('any text makes a reason that the server reads, and a short proper one stays as it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 2_000, size: 'max' }),
          fc.string({ unit: fc.constantFrom('\ud800', '\udc00', '😀', '\n', 'a') }),
        ),
        (text) => {
          const reason = asReason(text);
          expect(read(REASON, reason)).toBe(reason);
          expect(asReason(reason)).toBe(reason);
        },
      ),
      runs(),
    );
  });

  it('the largest report that an agent can make is read', () => {
    const reason = asReason('😀'.repeat(REASON.max));
    const families = (['ipv4', 'ipv6'] as const).map((family) => ({
      family,
      status: 'ERROR' as const,
      reason,
      verifiedAt: '2030-01-31T12:00:00.000Z',
    }));
    const helpers = Array.from({ length: MAX_HELPERS_PER_ROUTER }, (_, index) => ({
      helperId: `22222222-2222-4222-8222-${String(index).padStart(12, '0')}`,
      families,
    }));
    const value: RouterReport = {
      routerId: '11111111-1111-4111-8111-111111111111',
      revision: REVISION.max,
      reason,
      drifts: 0,
      helpers,
    };
    const request = { host: 'h'.repeat(255), at: '2030-01-31T12:00:00.000Z', reports: [{ ok: true as const, value }] };
    expect(read(REPORT_STATUS.request, carried(REPORT_STATUS.request.write(request)))).toEqual(request);
  });
});

describe('an agent’s state file', () => {
  law('is read back as it was saved; a router that was garbled is left out, and the others are not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'phw-'));
    const path = join(folder, 'desired.json');
    const states = fc.record({
      savedAt: arbitraryOf(TIME),
      installation: fc.option(arbitraryOf(INSTALLATION)),
      epoch: arbitraryOf(EPOCH),
      position: fc.option(arbitraryOf(COUNT)),
      routers,
    });
    const property = fc.asyncProperty(states, async (state) => {
      const saver = new StateSaver(path, () => state, realPorts);
      saver.saveSoon();
      await saver.close();
      const loaded = loadState(path, silentLogger);
      expect(loaded).toEqual(state);
      const [first, ...others] = state.routers;
      if (!first) return;
      const garbled = [withoutField(DESIRED_ROUTER.write(first), 'netns'), ...others.map((one) => DESIRED_ROUTER.write(one))];
      writeFileSync(path, JSON.stringify({ saved_at: state.savedAt, epoch: state.epoch, routers: garbled }));
      expect(loadState(path, silentLogger)?.routers).toEqual(others);
    });
    // Each state is synced to the disk.
    await fc.assert(property, runs(0.02));
    rmSync(folder, { recursive: true });
  });
});

describe('messages in Neutron’s form', () => {
  law('a hint’s routers are those that were hinted, each once', () => {
    fc.assert(
      fc.property(fc.array(arbitraryOf(UUID), { maxLength: 20 }), (ids) => {
        expect(hintedRouters(carried(hintOf(ids)) as Record<string, unknown>)).toEqual([...new Set(ids)]);
      }),
      runs(),
    );
  });

  law('of neutron-server’s helpers, the good ones come through and each bad one names its router', () => {
    const object = fc.record({
      id: fc.uuid(),
      router_id: fc.uuid(),
      protocol: fc.constantFrom('tcp', 'udp'),
      port: fc.integer({ min: -1, max: 70_000 }),
      helper: fc.constantFrom('ftp', 'sip', ''),
    });
    fc.assert(
      fc.property(fc.array(object, { maxLength: 6 }), (objects) => {
        const found = readHelpers(objects.map((data) => ({ 'versioned_object.data': { ...data, project_id: 'newer' } })));
        const isGood = ({ port, helper }: { port: number; helper: string }) => port >= 1 && port <= 65_535 && helper !== '';
        expect(found.map((one) => [one.routerId, 'helper' in one ? one.helper.id : one.refused.id, 'helper' in one])).toEqual(
          objects.map((one) => [one.router_id, one.id, isGood(one)]),
        );
      }),
      runs(),
    );
  });

  law('garbage throws nothing but a typed error', () => {
    const anything = fc.anything({ maxDepth: 3, withBigInt: false });
    const nested = fc.oneof(
      anything,
      fc.record({
        resource_list: fc.array(
          fc.oneof(anything, fc.record({ 'versioned_object.data': fc.oneof(anything, fc.record({ router_id: anything })) })),
        ),
      }),
      fc.array(
        fc.record({
          'versioned_object.data': fc.oneof(
            anything,
            fc.dictionary(fc.constantFrom('id', 'router_id', 'port', 'helper', 'protocol'), anything),
          ),
        }),
      ),
    );
    fc.assert(
      fc.property(nested, (garbage) => {
        for (const work of [
          () => pushedRouters(METHODS.push, Object(garbage)),
          () => pushedRouters(String(Object.keys(Object(garbage))), {}),
          () => readHelpers(garbage),
        ]) {
          try {
            work();
          } catch (error) {
            if (!(error instanceof PinholeError)) throw error;
            expect(error.code).toBe('invalid-message');
          }
        }
      }),
      runs(),
    );
  });

  it('a question names the routers that it is about', () => {
    expect(helpersQuestion(['a'])).toEqual({ resource_type: 'ConntrackHelper', version: '1.0', filter_kwargs: { router_id: ['a'] } });
  });
});
