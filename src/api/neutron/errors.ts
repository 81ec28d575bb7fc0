import type { FastifyInstance } from 'fastify';
import type { ErrorCode, ErrorDetails, PinholeError } from '../../model/errors.ts';
import { asPinholeError, BAD_JSON, statusOf } from '../errors.ts';

/** Exception classes of Neutron (neutron_lib.exceptions) that clients switch on, by our codes. */
const TYPES: Partial<Record<ErrorCode, string>> = {
  'invalid-input': 'HTTPBadRequest',
  'duplicate-helper': 'BadRequest',
  'helper-not-allowed': 'ConntrackHelperNotAllowed',
  'invalid-protocol-for-helper': 'InvalidProtocolForHelper',
  'quota-exceeded': 'OverQuota',
  'netns-in-use': 'Conflict',
  'revision-mismatch': 'RevisionNumberConstraintFailed',
  denied: 'PolicyNotAuthorized',
  'not-found': 'HTTPNotFound',
  'router-not-found': 'RouterNotFound',
  'helper-not-found': 'ConntrackHelperNotFound',
  'too-large': 'HTTPRequestEntityTooLarge',
  'store-unavailable': 'ServiceUnavailable',
};

/** A 400 whose Neutron type is not the usual one. */
const SPECIAL: Readonly<Record<string, string>> = { '#integer': 'InvalidInput', [BAD_JSON]: 'MalformedRequestBody' };

export function neutronErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: Error, _request, reply) => {
    const known = asPinholeError(error);
    if (known.code === 'unauthenticated') {
      return reply.code(401).send({ error: { code: 401, title: 'Unauthorized', message: known.message } });
    }
    const message = neutronMessage(known);
    const type = SPECIAL[known.details.field ?? ''] ?? TYPES[known.code] ?? 'HTTPInternalServerError';
    return reply.code(statusOf(known, error)).send({ NeutronError: { type, message, detail: '' } });
  });
}

function neutronMessage(known: PinholeError): string {
  if (known.code === 'duplicate-helper')
    return `Bad conntrack_helper request: ${known.message}, conflicting values are ${pythonDict(known.details)}.`;
  if (known.code === 'router-not-found') return known.message.replace(/\.$/, '');
  return known.message;
}

/** As Python prints it: Neutron puts the dict into the message. */
function pythonDict({ values = {} }: ErrorDetails): string {
  const items = Object.entries(values).map(([key, value]) => `'${key}': ${typeof value === 'number' ? value : `'${value}'`}`);
  return `{${items.join(', ')}}`;
}
