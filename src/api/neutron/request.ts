import type { FastifyRequest } from 'fastify';
import { PinholeError } from '../../model/errors.ts';

/** Query parameters in the order in which they came. */
export function parametersOf(request: FastifyRequest): URLSearchParams {
  const url = request.raw.url ?? '';
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** Absolute URL of the request without its query, for links. */
export function pathUrl(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}${request.originalUrl.split('?')[0]}`;
}

/** @throws PinholeError in Neutron's words */
export function refuseBody(request: FastifyRequest): void {
  if (request.body !== undefined && request.body !== null)
    throw new PinholeError('invalid-input', 'Request body is not supported in DELETE.');
}

/** Neutron's wsgi layer knows two formats of a path: none, and `.json`. */
export function withoutJsonSuffix(url: string): string {
  return /^\/v2\.0\/[^?]*\.json(?=$|\?)/.test(url) ? url.replace(/\.json(?=$|\?)/, '') : url;
}
