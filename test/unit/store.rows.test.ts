import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import type { SignedHead } from '../../src/contract/audit.ts';
import type { ConntrackHelper } from '../../src/contract/helper.ts';
import { LABELS } from '../../src/contract/labels.ts';
import type { HelperId, RouterId } from '../../src/contract/primitives.ts';
import type { Router } from '../../src/contract/router.ts';
import { PinholeError } from '../../src/model/errors.ts';
import * as postgres from '../../src/store/postgres/errors.ts';
import {
  fromHead,
  fromHelper,
  fromRouter,
  toAgent,
  toEvent,
  toHead,
  toHelper,
  toReport,
  toRouter,
  toToken,
  toUsage,
} from '../../src/store/rows.ts';
import { parseScope, scopeInput } from '../support/arbitraries.ts';
import { arbitraryOf } from '../support/arbitrary-of.ts';
import { runs } from '../support/runs.ts';

const text = fc.string({ maxLength: 12 });
const count = fc.nat();

const router: fc.Arbitrary<Router> = fc.record({
  id: text.map((id) => id as RouterId),
  name: text,
  description: text,
  projectId: text,
  host: fc.option(text),
  netns: fc.option(text),
  revision: count,
  labels: arbitraryOf(LABELS),
  confinement: fc.option(
    fc.record({ blockedPorts: fc.array(fc.integer({ min: 1, max: 65_535 }), { maxLength: 4 }), ratePerSecond: count }),
  ),
  createdAt: text,
  updatedAt: text,
});

const helper: fc.Arbitrary<ConntrackHelper> = fc.record({
  id: text.map((id) => id as HelperId),
  routerId: text.map((id) => id as RouterId),
  protocol: text,
  port: count,
  helper: text,
  scope: fc.option(scopeInput).map((input) => input && parseScope(input)),
  expiresAt: fc.option(text),
  revision: count,
});

const head: fc.Arbitrary<SignedHead> = fc.record({
  chain: text,
  seq: count,
  hash: text,
  at: text,
  keyId: text,
  publicKey: text,
  signature: text,
});

describe('law: what a row keeps is what was given', () => {
  it('holds for routers, helpers and signed heads', () => {
    fc.assert(
      fc.property(router, helper, head, (one, another, third) => {
        expect(toRouter(fromRouter(one))).toEqual(one);
        expect(toHelper({ ...fromHelper(another), created_at: '' })).toEqual(another);
        expect(toHead(fromHead(third))).toEqual(third);
      }),
      runs(),
    );
  });

  it('gives one text for one scope: it is part of the unique key', () => {
    fc.assert(
      fc.property(helper, (one) => {
        const turned = one.scope && {
          inInterface: one.scope.inInterface,
          destination: one.scope.destination,
          source: one.scope.source,
        };
        expect(fromHelper({ ...one, scope: turned }).scope).toBe(fromHelper(one).scope);
      }),
      runs(0.2),
    );
  });

  it('holds for what is only read', () => {
    expect(toReport({ router_id: 'r', host: 'h', revision: 1, reason: '', drifts: 0, helpers: '[]', reported_at: 't' })).toEqual({
      routerId: 'r',
      host: 'h',
      revision: 1,
      reason: '',
      drifts: 0,
      helpers: [],
      reportedAt: 't',
    });
    const agent = { host: 'h', started_at: 'a', seen_at: 'b', interval: 30, state: '{"version":"1"}', silent_since: 's' };
    expect(toAgent({ ...agent, verified_at: 'c', bound_seconds: 60, kernel: '{"up":true}' })).toEqual({
      host: 'h',
      startedAt: 'a',
      seenAt: 'b',
      interval: 30,
      state: { version: '1' },
      verifiedAt: 'c',
      boundSeconds: 60,
      kernel: { up: true },
      silentSince: 's',
    });
    expect(toAgent({ ...agent, verified_at: null, bound_seconds: null, kernel: null }).kernel).toBeNull();
    const token = { id: 'i', hash: 'h', role: 'admin', description: 'd' };
    expect(toToken({ ...token, project_id: 'p', created_at: 'c', expires_at: null, revoked_at: null })).toEqual({
      ...token,
      projectId: 'p',
      createdAt: 'c',
      expiresAt: null,
      revokedAt: null,
    });
    expect(toEvent({ seq: 3, at: 't', kind: 'drift', project_id: 'p', router_id: 'r', request_id: '', data: '{"a":1}' })).toEqual({
      seq: 3,
      at: 't',
      kind: 'drift',
      projectId: 'p',
      routerId: 'r',
      requestId: '',
      data: { a: 1 },
    });
    expect(toUsage({ project_id: 'p', routers: 1, helpers: 2, router_limit: 3, helper_limit: null })).toEqual({
      projectId: 'p',
      routers: 1,
      helpers: 2,
      routerLimit: 3,
      helperLimit: null,
    });
  });
});

describe('errors of PostgreSQL', () => {
  const failure = (code: string) => {
    const error = new pg.DatabaseError('no', 2, 'error');
    error.code = code;
    return new postgres.DatabaseFailure(error);
  };
  const lost = new postgres.DatabaseFailure(new Error('connection reset'));
  const TABLE = [
    { of: 'a unique key', error: failure('23505'), fatal: false, contention: false, unknown: false, database: true },
    { of: 'a data exception', error: failure('22003'), fatal: false, contention: false, unknown: false, database: false },
    { of: 'wrong SQL', error: failure('42601'), fatal: false, contention: false, unknown: false, database: false },
    { of: 'a statement prepared twice', error: failure('42P05'), fatal: false, contention: false, unknown: false, database: true },
    { of: 'a serialization failure', error: failure('40001'), fatal: false, contention: true, unknown: false, database: true },
    { of: 'a deadlock', error: failure('40P01'), fatal: false, contention: true, unknown: false, database: true },
    { of: 'a lock that is not had', error: failure('55P03'), fatal: false, contention: true, unknown: false, database: true },
    { of: 'a full disk', error: failure('53100'), fatal: true, contention: false, unknown: false, database: true },
    { of: 'a server that goes down', error: failure('57P01'), fatal: true, contention: false, unknown: true, database: true },
    { of: 'a connection that is lost', error: lost, fatal: true, contention: false, unknown: true, database: true },
    { of: 'another error', error: new Error('ours'), fatal: false, contention: false, unknown: false, database: false },
  ];

  it.each(TABLE)('$of', ({ error, fatal, contention, unknown, database }) => {
    expect({
      fatal: postgres.isFatal(error),
      contention: postgres.isContention(error),
      unknown: postgres.isOutcomeUnknown(error),
      database: postgres.isDatabaseError(error),
    }).toEqual({ fatal, contention, unknown, database });
  });

  it('become store-unavailable for callers, but for mistakes of ours', () => {
    expect(postgres.unavailable(lost)).toMatchObject({ code: 'store-unavailable' });
    expect(postgres.unavailable(new PinholeError('store-unavailable', 'x', { cause: lost }))).toMatchObject({
      message: 'The database cannot be used now: connection reset',
    });
    const ours = new PinholeError('denied', 'x');
    expect(postgres.unavailable(ours)).toBe(ours);
    expect(postgres.readFailure(lost)).toMatchObject({ code: 'store-unavailable' });
    expect(postgres.readFailure(failure('42601'))).toBeInstanceOf(postgres.DatabaseFailure);
    expect([failure('23505'), lost].map(postgres.isUniqueViolation)).toEqual([true, false]);
  });
});
