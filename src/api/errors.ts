import type { FastifyError, FastifyInstance } from 'fastify';
import { MAX_MANIFEST_BYTES } from '../contract/manifest.ts';
import { ERROR_CODES, InvalidInput, PinholeError } from '../model/errors.ts';
import { isTooDeep, MAX_DEPTH } from './json-depth.ts';

/** Largest request body in bytes. A bulk request with 1,000 helpers takes a tenth of it. */
export const BODY_LIMIT = 1024 * 1024;

/** The `field` of an error about a body that is not JSON at all. */
export const BAD_JSON = '#json';

/** The JSON escape of a NUL whose backslash is not itself escaped. PostgreSQL cannot store NUL in text. */
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;

/** Replaces Fastify's JSON parser, which reads bytes that are not UTF-8 as U+FFFD. An empty body is undefined. */
export function parseJsonStrictly(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    if (isTooDeep(bytes as Buffer))
      return done(new InvalidInput('body', `Invalid input for body. Lists and objects are nested more than ${MAX_DEPTH} levels deep.`));
    try {
      const text = utf8.decode(bytes as Buffer);
      const body = JSON.parse(text);
      if (NUL.test(text)) done(new InvalidInput('body', 'Invalid input for body. No field can contain a NUL character.'));
      else done(null, body);
    } catch {
      done(new InvalidInput(BAD_JSON, 'Malformed request body: Cannot understand JSON.'));
    }
  });
}

/** Returns the typed error for whatever a handler or Fastify threw. Unknown errors become `internal` and keep their cause. */
export function asPinholeError(error: Error): PinholeError {
  if (error instanceof PinholeError) return error;
  const { validation, statusCode, code } = error as FastifyError;
  if (validation) {
    const [first] = validation;
    const missing = (first?.params as { missingProperty?: string; additionalProperty?: string } | undefined) ?? {};
    const path = [...(first?.instancePath.split('/').slice(1) ?? []), missing.missingProperty ?? missing.additionalProperty ?? '']
      .filter(Boolean)
      .join('.');
    return new InvalidInput(path, `Invalid input for ${path || 'the body'}: ${first?.message ?? 'not valid'}.`);
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new PinholeError('too-large', `A request body is at most ${BODY_LIMIT} bytes, and a manifest at most ${MAX_MANIFEST_BYTES}.`);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new PinholeError('invalid-input', error.message);
  return new PinholeError('internal', 'Request Failed: internal server error while processing your request.', { cause: error });
}

/**
 * Returns the HTTP status of an error: the one of its code, or a more specific 4xx that Fastify gave (415, say) where the code
 * says 400.
 */
export function statusOf(known: PinholeError, original: Error): number {
  const given = (original as FastifyError).statusCode;
  const ours = ERROR_CODES[known.code].http;
  return ours === 400 && given !== undefined && given > 400 && given < 500 ? given : ours;
}
