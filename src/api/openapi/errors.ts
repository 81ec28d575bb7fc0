import type { JsonSchema } from '../../contract/shape.ts';
import { ERROR_CODES, type ErrorCode } from '../../model/errors.ts';
import type { RoutePolicy } from '../access.ts';
import type { Operation } from './operation.ts';

/** What decides which errors an operation may answer, apart from its own. */
export interface ErrorSources {
  readonly policy: RoutePolicy;
  readonly hasInput: boolean;
  readonly hasBody: boolean;
}

/** Returns the codes of the errors that an operation may answer, by HTTP status. */
export function errorsOf(operation: Operation, { policy, hasInput, hasBody }: ErrorSources): Map<number, ErrorCode[]> {
  const codes: ErrorCode[] = ['overloaded', 'invalid-input', 'internal', ...(operation.errors ?? [])];
  if (policy !== 'open') codes.push('unauthenticated', 'too-many-requests', 'identity-unavailable', 'store-unavailable');
  if (policy === 'open' && operation.id !== 'listVersions') codes.push('store-unavailable');
  if (policy !== 'open' && (policy !== 'authenticated' || hasInput)) codes.push('denied');
  if (hasBody) codes.push('too-large');
  if (operation.conditional) codes.push('revision-mismatch');
  if (operation.repeatable) codes.push('idempotency-mismatch');
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { http } = ERROR_CODES[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  // Fastify refuses media types other than JSON.
  if (hasBody) byStatus.set(415, ['invalid-input']);
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

/** The body of an error of Pinhole's own dialect. Clients must accept codes that they do not know. */
export const ERROR_SCHEMA: JsonSchema = {
  type: 'object',
  required: ['error'],
  additionalProperties: false,
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'details'],
      properties: {
        code: { type: 'string', description: 'stable, for programs; more codes may come' },
        message: { type: 'string', description: 'for people' },
        details: {
          type: 'object',
          description: 'facts for programs',
          properties: {
            field: { type: 'string', description: 'the field at fault' },
            errno: { type: 'integer', description: 'of the kernel' },
            retryAfter: { type: 'number', description: 'seconds after which a repetition can succeed' },
            values: { type: 'object', description: 'conflicting values' },
          },
        },
      },
    },
  },
};

/** The answer of a health check that fails. */
export const UNAVAILABLE_SCHEMA: JsonSchema = {
  type: 'object',
  required: ['status', 'reason'],
  additionalProperties: false,
  properties: { status: { const: 'unavailable' }, reason: { type: 'string', description: 'for people' } },
};
