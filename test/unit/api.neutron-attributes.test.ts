import fc from 'fast-check';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { asPinholeError } from '../../src/api/errors.ts';
import {
  convertPort,
  convertProtocol,
  helperForCreate,
  helperForUpdate,
  resources,
  routerInput,
} from '../../src/api/neutron/attributes.ts';
import { neutronErrors } from '../../src/api/neutron/errors.ts';
import { refuseRevision, wantedRevision } from '../../src/api/neutron/if-match.ts';
import { pyInt, pyRepr, pyStr } from '../../src/api/neutron/python.ts';
import { parametersOf, pathUrl, refuseBody, withoutJsonSuffix } from '../../src/api/neutron/request.ts';
import { withRole } from '../../src/control/principal.ts';
import { ERROR_CODES, type ErrorCode, InvalidInput, PinholeError } from '../../src/model/errors.ts';
import { runs } from '../support/runs.ts';

const MEMBER = withRole({ name: 'm', projectId: 'p' }, 'member', 'req');
const ADMIN = withRole({ name: 'a', projectId: 'p' }, 'admin', 'req');
const FTP = { protocol: 'tcp', port: 21, helper: 'ftp' };

describe('pyRepr shows what Python does', () => {
  it.each([
    [null, 'None'],
    [true, 'True'],
    [false, 'False'],
    [3, '3'],
    ['it', "'it'"],
    ["it's", '"it\'s"'],
    ['"it\'s"', "'\"it\\'s\"'"],
    ['a\\b\n\r\t\u0001\u007f', "'a\\\\b\\n\\r\\t\\x01\\x7f'"],
    [['a', 1, null], "['a', 1, None]"],
    [{ a: { b: [] } }, "{'a': {'b': []}}"],
  ])('%j', (value, shown) => {
    expect(pyRepr(value)).toBe(shown);
    expect(pyStr(value)).toBe(typeof value === 'string' ? value : shown);
  });

  it('on one line, whatever a tenant wrote', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), (value) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
        expect(pyRepr(value)).not.toMatch(/[\u0000-\u001f\u007f]/);
      }),
      runs(0.5),
    );
  });
});

describe('pyInt', () => {
  it.each([
    [' 21 ', 21],
    ['+1_000', 1000],
    ['-3', -3],
    [21.9, 21],
    [-0.5, -0],
    [true, 1],
    ['1__0', null],
    ['_1', null],
    ['0x10', null],
    ['1.0', null],
    ['', null],
    [null, null],
    [[1], null],
    [Number.NaN, null],
    ['9'.repeat(65), null],
  ])('of %j is %j', (value, number) => expect(pyInt(value)).toBe(number));

  it('reads every whole number that JSON or a text says', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        expect([pyInt(number), pyInt(String(number))]).toEqual([number, number]);
      }),
      runs(0.5),
    );
  });
});

describe('resources', () => {
  it('takes one under its name, or several under its plural, wrapped or not', () => {
    expect(resources({ router: { a: 1 } }, 'router', false)).toEqual({ items: [{ a: 1 }], bulk: false });
    expect(resources({ routers: [{ router: { a: 1 } }, { b: 2 }] }, 'router', true)).toEqual({ items: [{ a: 1 }, { b: 2 }], bulk: true });
  });

  it.each([
    [undefined, 'Resource body required'],
    [{}, 'Resource body required'],
    [[], 'Resource body required'],
    ['text', 'Body contains invalid data'],
    [[1], 'Body contains invalid data'],
    [{ other: 1 }, "Unable to find 'router' in request body"],
    [{ router: null }, "Unable to find 'router' in request body"],
    [{ router: 5 }, "Object 'router' contains invalid data"],
    [{ routers: [] }, 'Resources required'],
    [{ routers: 5 }, 'Body contains invalid data'],
    [{ routers: 'x' }, "Object 'router' contains invalid data"],
    [{ routers: [5] }, "Object 'router' contains invalid data"],
    [{ routers: Array(1001).fill({}) }, 'At most 1000 routers in one request.'],
  ])('refuses %j', (body, message) => {
    expect(() => resources(body, 'router', true)).toThrow(message);
  });

  it('refuses several where one is asked for', () => {
    expect(() => resources({ routers: [{}] }, 'router', false)).toThrow('Bulk operation not supported');
  });
});

describe('a helper', () => {
  it('is read with Python’s conversions', () => {
    expect(helperForCreate({ ...FTP, port: ' 21 ' }, MEMBER)).toEqual(FTP);
    expect(helperForCreate({ ...FTP, helper: 7 }, MEMBER)).toMatchObject({ helper: '7' });
    expect(helperForUpdate({ port: 2121 }, MEMBER)).toEqual({ port: 2121 });
    expect(helperForUpdate({}, MEMBER)).toEqual({});
    expect(helperForUpdate(FTP, MEMBER)).toEqual(FTP);
  });

  it.each([
    [{ port: 21, helper: 'ftp' }, "Failed to parse request. Required attribute 'protocol' not specified"],
    [{ ...FTP, id: 'x' }, "Attribute 'id' not allowed in POST"],
    [{ ...FTP, colour: 'red' }, "Unrecognized attribute(s) 'colour'"],
    [{ ...FTP, protocol: 'xyz' }, "IP protocol 'xyz' is not supported"],
    [{ ...FTP, protocol: 6 }, 'Input value 6 must be string type'],
    [{ ...FTP, protocol: 'TCP' }, 'TCP is not in valid_values'],
    [{ ...FTP, protocol: null }, 'None is not in valid_values'],
    [{ ...FTP, port: 0 }, "'0' is too small - must be at least '1'"],
    [{ ...FTP, port: 65_536 }, "'65536' is too large - must be no larger than '65535'"],
    [{ ...FTP, port: 'x' }, "'x' is not an integer"],
    [{ ...FTP, helper: null }, "'None' is not a valid string"],
    [{ ...FTP, helper: 'x'.repeat(65) }, 'exceeds maximum length of 64'],
    [{ ...FTP, project_id: 'p', tenant_id: 'q' }, "'project_id' and 'tenant_id' do not match"],
    [{ ...FTP, project_id: 'q' }, 'requires admin privileges'],
  ])('is refused: %j', (body, message) => {
    expect(() => helperForCreate(body, MEMBER)).toThrow(message);
  });

  it('may name another project for an admin, if it is a text', () => {
    expect(helperForCreate({ ...FTP, project_id: 'q' }, ADMIN)).toEqual(FTP);
    expect(() => helperForCreate({ ...FTP, tenant_id: 5 }, ADMIN)).toThrow("'5' is not a valid string");
  });

  it.each([
    [{ id: 'x' }, 'Cannot update read-only attribute id'],
    [{ project_id: 'p' }, 'Cannot update read-only attribute project_id'],
    [{ colour: 'red' }, "Unrecognized attribute(s) 'colour'"],
  ])('is not updated with %j', (body, message) => {
    expect(() => helperForUpdate(body, MEMBER)).toThrow(message);
  });

  it('law: any body is read or refused as invalid input, and what is read is within bounds', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom('tcp', 'udp', 'ftp', 21, '21', 'p'));
    const body = fc.record(
      { protocol: value, port: value, helper: value, id: value, project_id: value, tenant_id: value, x: value },
      { requiredKeys: ['protocol', 'port', 'helper'] },
    );
    fc.assert(
      fc.property(body, (given) => {
        try {
          const { protocol, port, helper } = helperForCreate(given, ADMIN);
          expect(port).toBeGreaterThanOrEqual(1);
          expect(port).toBeLessThanOrEqual(65_535);
          expect(Number.isInteger(port)).toBe(true);
          expect([protocol.length > 0, helper.length <= 64]).toEqual([true, true]);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-input' });
        }
      }),
      runs(),
    );
  });
});

describe('filters convert as bodies do', () => {
  it('take protocols by name in any case and by number', () => {
    expect(['TCP', '6', '255'].map(convertProtocol)).toEqual(['TCP', '6', '255']);
    expect(() => convertProtocol('256')).toThrow("IP protocol '256' is not supported");
    expect(convertProtocol(null)).toBeNull();
    expect(convertPort('0')).toBe(0);
  });
});

describe('a router', () => {
  it('is read, and what stands for what Pinhole’s routers always are is taken', () => {
    const body = {
      name: 'r',
      description: 'd',
      project_id: 'p',
      host: null,
      netns: 'ns',
      admin_state_up: 'yes',
      distributed: 'off',
      ha: 0,
      external_gateway_info: {},
      availability_zone_hints: [],
      routes: null,
      flavor_id: null,
    };
    expect(routerInput(body, 'create', MEMBER)).toEqual({ name: 'r', description: 'd', projectId: 'p', host: null, netns: 'ns' });
    expect(routerInput({}, 'update', MEMBER)).toEqual({
      name: undefined,
      description: undefined,
      projectId: undefined,
      host: undefined,
      netns: undefined,
    });
  });

  it.each([
    [{ status: 'ACTIVE' }, "Attribute 'status' not allowed in POST"],
    [{ ha: true }, "Pinhole's routers have no ha other than what they show"],
    [{ distributed: 'maybe' }, "'maybe' cannot be converted to boolean"],
    [{ routes: [{}] }, "Pinhole's routers have no routes other than what they show"],
    [{ external_gateway_info: { network_id: 'n' } }, "Pinhole's routers have no external_gateway_info other than what they show"],
    [{ name: null }, "'None' is not a valid string"],
    [{ name: 'x'.repeat(256) }, 'exceeds maximum length of 255'],
    [{ netns: 5 }, "'5' is not a valid string"],
    [{ wan: 1 }, "Unrecognized attribute(s) 'wan'"],
  ])('is refused: %j', (body, message) => {
    expect(() => routerInput(body, 'create', MEMBER)).toThrow(message);
  });

  it('keeps its id and its project', () => {
    expect(() => routerInput({ id: 'x' }, 'update', MEMBER)).toThrow('Cannot update read-only attribute id');
    expect(() => routerInput({ project_id: 'p' }, 'update', MEMBER)).toThrow('Cannot update read-only attribute tenant_id');
  });
});

describe('a request', () => {
  type Request = Parameters<typeof wantedRevision>[0];
  const request = (parts: object) => parts as Request;
  const matching = (header?: string) => request({ headers: { 'if-match': header } });

  it.each([
    [undefined, undefined],
    ['*', undefined],
    ['revision_number=5', 5],
    ['"revision_number=5"', 5],
    ['W/"revision_number= 5 "', 5],
    ['etag, revision_number=6', 6],
  ])('wants the revision of If-Match %j: %j', (header, revision) => {
    expect(wantedRevision(matching(header))).toBe(revision);
  });

  it.each(['revision_number=', 'revision_number=x', 'revision_number=1, revision_number=2'])('with If-Match %j is refused', (header) => {
    expect(() => wantedRevision(matching(header))).toThrow('Revision number etag must be in the format of revision_number=<int>');
  });

  it('wants no revision of a helper, and no body of a deletion', () => {
    expect(() => refuseRevision(matching('revision_number=1'))).toThrow('Revision matching not supported for this resource');
    refuseRevision(matching());
    refuseBody(request({ body: null }));
    expect(() => refuseBody(request({ body: {} }))).toThrow('Request body is not supported in DELETE.');
  });

  it('has its parameters in order, and a URL of its own', () => {
    expect([...parametersOf(request({ raw: { url: '/x?b=1&a=2&b=3' } }))]).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ]);
    expect([...parametersOf(request({ raw: { url: '/x' } }))]).toEqual([]);
    expect(pathUrl(request({ protocol: 'https', host: 'h:1', originalUrl: '/v2.0/x?y' }))).toBe('https://h:1/v2.0/x');
    expect(['/v2.0/a.json?x=b.json', '/v2.0/a.json', '/v2.0/a', '/v1/a.json'].map(withoutJsonSuffix)).toEqual([
      '/v2.0/a?x=b.json',
      '/v2.0/a',
      '/v2.0/a',
      '/v1/a.json',
    ]);
  });
});

describe('errors in Neutron’s form', () => {
  async function answer(error: Error) {
    const app = Fastify();
    app.decorate('logFailure', () => undefined);
    neutronErrors(app);
    app.get('/', () => {
      throw error;
    });
    const response = await app.inject('/');
    return { status: response.statusCode, body: response.json() as Record<string, Record<string, unknown>> };
  }

  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s has its status', async (code) => {
    const { status } = await answer(new PinholeError(code, 'said'));
    expect(status).toBe(ERROR_CODES[code].http);
  });

  it.each([
    [new InvalidInput('#InvalidInput', 'm'), 400, 'InvalidInput', 'm'],
    [new InvalidInput('#BadRequest', 'm'), 400, 'BadRequest', 'm'],
    [new InvalidInput('port', 'm'), 400, 'HTTPBadRequest', 'm'],
    [new PinholeError('router-not-found', 'Router x could not be found.'), 404, 'RouterNotFound', 'Router x could not be found'],
    [
      new PinholeError('duplicate-helper', 'Duplicate', { details: { values: { port: 21, helper: 'ftp' } } }),
      400,
      'BadRequest',
      "Bad conntrack_helper request: Duplicate, conflicting values are {'port': 21, 'helper': 'ftp'}.",
    ],
    [
      new Error('a secret of the inside'),
      500,
      'HTTPInternalServerError',
      'Request Failed: internal server error while processing your request.',
    ],
  ])('%s', async (error, status, type, message) => {
    expect(await answer(error)).toEqual({ status, body: { NeutronError: { type, message, detail: '' } } });
  });

  it('has the form of Keystone’s middleware for whom that would have refused', async () => {
    expect(await answer(new PinholeError('unauthenticated', 'm'))).toEqual({
      status: 401,
      body: { error: { code: 401, title: 'Unauthorized', message: 'm' } },
    });
    expect(await answer(new PinholeError('identity-unavailable', 'm'))).toEqual({ status: 503, body: { message: 'm' } });
  });

  it('names the field of a body that its schema refuses', () => {
    const wrong = (params: object, instancePath: string) =>
      asPinholeError(Object.assign(new Error('x'), { validation: [{ params, instancePath, message: 'must be there' }] }));
    expect(wrong({ missingProperty: 'name' }, '/routers/0')).toMatchObject({
      details: { field: 'routers.0.name' },
      message: 'Invalid input for routers.0.name: must be there.',
    });
    expect(wrong({}, '')).toMatchObject({ message: 'Invalid input for the body: must be there.' });
  });
});
