import { createHash } from 'node:crypto';
import { PinholeError } from '../model/errors.ts';
import type { Writes } from '../store/interface.ts';
import type { Principal } from './principal.ts';

/**
 * Does `work` once for each idempotency key of a principal: the same request sent again, its answer having got lost, is
 * answered as before. Key and change are committed together.
 * @throws PinholeError `idempotency-mismatch` for another request under a key that was used
 */
export async function once<T>(
  tx: Writes,
  principal: Principal,
  request: { at: string; what: unknown },
  work: () => Promise<T>,
): Promise<T> {
  const { idempotencyKey: key, name: actor } = principal;
  if (key === undefined) return work();
  const digest = createHash('sha256').update(JSON.stringify(request.what)).digest('hex');
  const known = await tx.idempotentAnswer(actor, key);
  if (known && known.digest !== digest)
    throw new PinholeError('idempotency-mismatch', 'Another request was made under this Idempotency-Key.', {
      details: { field: 'idempotency-key' },
    });
  if (known) return known.answer as T;
  const answer = await work();
  await tx.saveIdempotentAnswer({ actor, key, digest, answer }, request.at);
  return answer;
}
