import type { FastifyRequest } from 'fastify';
import { InvalidInput } from '../../model/errors.ts';
import { BAD_REQUEST } from './attributes.ts';
import { pyInt } from './python.ts';

/**
 * Returns the N of `If-Match: revision_number=N`; undefined without one. Other ETags are ignored, as in Neutron.
 * @throws InvalidInput with Neutron's message for more than one, or for an N that is not an integer
 */
export function wantedRevision(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match'] ?? '';
  const etags = header.split(',').map((etag) => etag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1'));
  const named = etags.filter((etag) => etag.startsWith('revision_number='));
  if (named.length === 0) return undefined;
  const revision = named.length === 1 ? pyInt((named[0] as string).slice('revision_number='.length)) : null;
  if (revision !== null) return revision;
  throw bad('Revision number etag must be in the format of revision_number=<int>');
}

/** @throws InvalidInput if the request names a revision: helpers have none in Neutron */
export function refuseRevision(request: FastifyRequest): void {
  if (wantedRevision(request) !== undefined) throw bad('Revision matching not supported for this resource');
}

function bad(reason: string): InvalidInput {
  return new InvalidInput(BAD_REQUEST, `Bad if-match request: ${reason}.`);
}
