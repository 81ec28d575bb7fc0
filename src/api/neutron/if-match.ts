import type { FastifyRequest } from 'fastify';
import { InvalidInput } from '../../model/errors.ts';
import { BAD_REQUEST } from './attributes.ts';
import { pyInt } from './python.ts';

/** The revision that `If-Match: revision_number=N` names; undefined without one. Other etags are let pass, as Neutron does. */
export function wantedRevision(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match'] ?? '';
  const etags = header.split(',').map((etag) => etag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1'));
  const named = etags.filter((etag) => etag.startsWith('revision_number='));
  if (named.length === 0) return undefined;
  const revision = named.length === 1 ? pyInt((named[0] as string).slice('revision_number='.length)) : null;
  if (revision !== null) return revision;
  throw bad('Revision number etag must be in the format of revision_number=<int>');
}

/** Helpers have no revision in Neutron. @throws InvalidInput where the request wants one matched */
export function refuseRevision(request: FastifyRequest): void {
  if (wantedRevision(request) !== undefined) throw bad('Revision matching not supported for this resource');
}

function bad(reason: string): InvalidInput {
  return new InvalidInput(BAD_REQUEST, `Bad if-match request: ${reason}.`);
}
