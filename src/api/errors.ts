import type { FastifyError, FastifyInstance } from 'fastify';
import { ERROR_CODES, InvalidInput, PinholeError } from '../model/errors.ts';

/** Largest request body: a bulk of 1,000 helpers is a tenth of it. */
export const BODY_LIMIT = 1024 * 1024;

/** Stands in an error's `field` for a body that is no JSON at all. */
export const BAD_JSON = '#json';

/** The escape of a NUL, its backslash not escaped itself. PostgreSQL's texts hold none. */
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;

/** Fastify's own parser takes bytes that are not UTF-8 for question marks. */
export function parseJsonStrictly(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    try {
      const text = utf8.decode(bytes as Buffer);
      const body = JSON.parse(text);
      if (NUL.test(text)) done(new InvalidInput('body', 'The request body has a NUL character in it; no field may.'));
      else done(null, body);
    } catch {
      done(new InvalidInput(BAD_JSON, 'Malformed request body: Cannot understand JSON.'));
    }
  });
}

/** Whatever a handler or Fastify threw, as one of ours. */
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
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new PinholeError('too-large', `A request body is at most ${BODY_LIMIT} bytes.`);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new PinholeError('invalid-input', error.message);
  return new PinholeError('internal', 'Request Failed: internal server error while processing your request.', { cause: error });
}

export function statusOf(known: PinholeError, original: Error): number {
  const given = (original as FastifyError).statusCode;
  const ours = ERROR_CODES[known.code].http;
  return ours === 400 && given !== undefined && given > 400 && given < 500 ? given : ours;
}
