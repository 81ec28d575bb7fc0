import type { FastifyRequest } from 'fastify';
import { PinholeError } from '../../model/errors.ts';

/** Returns the query parameters in their order. Fastify's own query loses it. */
export function parametersOf(request: FastifyRequest): URLSearchParams {
  const url = request.raw.url ?? '';
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** Returns the request's absolute URL without its query, for links. */
export function pathUrl(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}${request.originalUrl.split('?')[0]}`;
}

/** @throws PinholeError `invalid-input` with Neutron's message if a DELETE request has a body */
export function refuseBody(request: FastifyRequest): void {
  if (request.body !== undefined && request.body !== null)
    throw new PinholeError('invalid-input', 'Request body is not supported in DELETE.');
}

/**
 * Returns a URL without the `.json` with which paths of Neutron may end (its WSGI layer takes the suffix for a format). Other URLs
 * do not change.
 */
export function withoutJsonSuffix(url: string): string {
  return /^\/v2\.0\/[^?]*\.json(?=$|\?)/.test(url) ? url.replace(/\.json(?=$|\?)/, '') : url;
}
