import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  acceptsVersion,
  decodeOslo,
  encodeOslo,
  errorOfFailure,
  failureOf,
  type OsloMessage,
  type OsloReply,
  type OsloRequest,
  SeenIds,
} from '../../src/bus/oslo.ts';
import { NotFound, PinholeError } from '../../src/model/errors.ts';

interface Vector {
  readonly kind: 'call' | 'cast' | 'reply';
  readonly properties: { readonly content_type?: string };
  readonly body: string;
}

/** What neutron-server, its L3 agent, and callers of theirs put on the wire, byte for byte. */
const VECTORS: Readonly<Record<string, readonly Vector[]>> = JSON.parse(
  readFileSync(new URL('../golden/oslo/messages.json', import.meta.url), 'utf8'),
);
const ALL = Object.entries(VECTORS).flatMap(([name, messages]) => messages.map((vector) => ({ name, ...vector })));
const decode = ({ body, properties }: Vector) => decodeOslo(Buffer.from(body), { contentType: properties.content_type });
const find = (name: string, kind: Vector['kind']) => decode(VECTORS[name]?.find((vector) => vector.kind === kind) as Vector);

describe('oslo.messaging 2.0: what Neutron sends', () => {
  it.each(ALL)('$name, $kind: decodes, and encodes to the same fields again', (vector) => {
    const message = decode(vector);
    expect(message.kind).toBe(vector.kind === 'reply' ? 'reply' : 'request');
    if (message.kind === 'request') expect(message.reply !== null).toBe(vector.kind === 'call');
    const inner = (body: string) => JSON.parse(JSON.parse(body)['oslo.message']);
    const again = inner(encodeOslo(message).toString());
    const original = inner(vector.body);
    // Tracebacks are not kept; a time-out is never asked for.
    for (const fields of [again, original]) {
      if (fields.failure) fields.failure = { ...JSON.parse(fields.failure), tb: [], args: [] };
      if ('_timeout' in fields) fields._timeout = null;
    }
    expect(again).toEqual(original);
  });

  it('a push names the router of each helper', () => {
    const push = find('push-updated', 'cast') as OsloRequest;
    expect(push).toMatchObject({ method: 'push', version: '1.1', namespace: null, reply: null });
    expect(push.args).toMatchObject({
      event_type: 'updated',
      resource_list: [{ 'versioned_object.data': { router_id: expect.any(String) } }],
    });
    expect(push.context).toMatchObject({ is_admin: true });
  });

  it.each([
    ['byhand-unknown_method', 'NoSuchMethod: Endpoint does not support RPC method no_such_method'],
    ['byhand-wrong_rpc_version_9.0', /^UnsupportedVersion: Endpoint does not support RPC version 9\.0/],
    ['byhand-resource_version_9.9', 'InvalidTargetVersion: Invalid target version 9.9'],
  ])('%s: the failure becomes an error of ours', (name, message) => {
    const { failure } = find(name, 'reply') as OsloReply;
    const error = errorOfFailure(failure as never);
    expect(error).toMatchObject({ code: 'remote-failure' });
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
  });
});

describe('oslo.messaging 2.0: between Pinhole and Pinhole', () => {
  it('an error comes back as it was', () => {
    const failure = failureOf(new NotFound('router', 'x'));
    const reply: OsloReply = { kind: 'reply', messageId: 'm', uniqueId: 'u', ending: true, result: null, failure };
    const back = decodeOslo(encodeOslo(reply), { contentType: 'application/json' }) as OsloReply;
    expect(errorOfFailure(back.failure as never)).toMatchObject({ code: 'router-not-found', message: 'Router x could not be found.' });
  });

  it('any message comes back as it was', () => {
    const text = fc.string({ maxLength: 20 });
    const object = fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.jsonValue({ maxDepth: 2 }));
    const request: fc.Arbitrary<OsloMessage> = fc.record({
      kind: fc.constant('request' as const),
      method: text,
      args: object,
      version: fc.constantFrom('', '1.0', '1.11'),
      namespace: fc.option(text, { nil: null }),
      uniqueId: text,
      reply: fc.option(fc.record({ messageId: text, queue: text }), { nil: null }),
      context: object,
    });
    const reply: fc.Arbitrary<OsloMessage> = fc.record({
      kind: fc.constant('reply' as const),
      messageId: text,
      uniqueId: text,
      ending: fc.boolean(),
      result: fc.jsonValue({ maxDepth: 3 }),
      failure: fc.option(fc.record({ class: text, module: text, message: text, kwargs: object }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.oneof(request, reply), (message) => {
        const plain = JSON.parse(JSON.stringify(message));
        expect(JSON.parse(JSON.stringify(decodeOslo(encodeOslo(message), { contentType: 'application/json' })))).toEqual(plain);
      }),
    );
  });
});

describe('oslo.messaging 2.0: garbage', () => {
  it('is an error that names the field, whatever it is', () => {
    const inner = fc.oneof(
      fc.jsonValue(),
      fc.record({ method: fc.jsonValue(), args: fc.jsonValue(), _msg_id: fc.jsonValue(), _reply_q: fc.jsonValue() }),
      fc.record({ _msg_id: fc.jsonValue(), failure: fc.jsonValue(), ending: fc.jsonValue() }),
    );
    const body = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
      inner.map((value) => Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(value) }))),
      fc.string().map((value) => Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': value }))),
    );
    fc.assert(
      fc.property(body, fc.constantFrom('application/json', 'text/plain', undefined), (bytes, contentType) => {
        try {
          decodeOslo(bytes, { contentType });
        } catch (error) {
          expect(error).toBeInstanceOf(PinholeError);
          expect((error as PinholeError).code).toBe('invalid-message');
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['no content type', '{}', undefined, 'content-type'],
    ['another version', '{"oslo.version":"1.0","oslo.message":"{}"}', 'application/json', 'oslo.version'],
    ['no message', '{"oslo.version":"2.0"}', 'application/json', 'oslo.message'],
    [
      'a call without a queue',
      JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': '{"method":"m","_msg_id":"i"}' }),
      'application/json',
      '_reply_q',
    ],
  ])('%s', (_what, body, contentType, field) => {
    expect(() => decodeOslo(Buffer.from(body), { contentType })).toThrow(field);
  });
});

describe('versions and duplicates', () => {
  it.each([
    ['1.1', '1.0', true],
    ['1.1', '1.1', true],
    ['1.1', '1.2', false],
    ['1.1', '2.0', false],
    ['2.0', '1.9', false],
    ['1.9', '1.11', false],
    ['1.11', '1.9', true],
    ['1.1', '', true],
  ])('an endpoint of %s takes %s: %s', (offered, wanted, takes) => {
    expect(acceptsVersion(offered, wanted)).toBe(takes);
  });

  it('a message that comes twice counts once; old ones are forgotten', () => {
    const seen = new SeenIds(2);
    expect(['a', 'a', 'b', 'c', 'a', '', ''].map((id) => seen.isNew(id))).toEqual([true, false, true, true, true, true, true]);
  });
});
