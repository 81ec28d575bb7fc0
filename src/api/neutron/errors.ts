import type { FastifyInstance } from 'fastify';
import type { ErrorCode, PinholeError } from '../../model/errors.ts';
import { asPinholeError, BAD_JSON, statusOf } from '../errors.ts';
import { BAD_REQUEST, INVALID_INPUT } from './attributes.ts';
import { pyRepr } from './python.ts';

/** The names of Neutron's exception classes (neutron_lib.exceptions), on which clients switch, by Pinhole's error codes. */
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
  hidden: 'HTTPNotFound',
  'router-not-found': 'RouterNotFound',
  'helper-not-found': 'ConntrackHelperNotFound',
  'idempotency-mismatch': 'HTTPUnprocessableEntity',
  'too-large': 'HTTPRequestEntityTooLarge',
  'too-many-requests': 'HTTPTooManyRequests',
  'store-unavailable': 'HTTPServiceUnavailable',
  overloaded: 'HTTPServiceUnavailable',
};

/** Errors with status 400 whose type is not the usual one, by their `field`. */
const SPECIAL: Readonly<Record<string, string>> = {
  [INVALID_INPUT]: 'InvalidInput',
  [BAD_REQUEST]: 'BadRequest',
  [BAD_JSON]: 'MalformedRequestBody',
};

/**
 * Makes the routes of `app` answer errors as Neutron does: `{"NeutronError": {type, message, detail}}`, except for those of
 * keystonemiddleware.
 */
export function neutronErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: Error, request, reply) => {
    const known = asPinholeError(error);
    app.logFailure(error, request, reply);
    // keystonemiddleware, which runs in front of Neutron, has answers of its own.
    if (known.code === 'unauthenticated') {
      return reply.code(401).send({ error: { code: 401, title: 'Unauthorized', message: known.message } });
    }
    if (known.code === 'identity-unavailable') return reply.code(503).send({ message: known.message });
    const message = neutronMessage(known);
    const type = SPECIAL[known.details.field ?? ''] ?? TYPES[known.code] ?? 'HTTPInternalServerError';
    return reply.code(statusOf(known, error)).send({ NeutronError: { type, message, detail: '' } });
  });
}

function neutronMessage(known: PinholeError): string {
  if (known.code === 'duplicate-helper')
    return `Bad conntrack_helper request: ${known.message}, conflicting values are ${pyRepr(known.details.values ?? {})}.`;
  if (known.code === 'router-not-found') return known.message.replace(/\.$/, '');
  return known.message;
}
