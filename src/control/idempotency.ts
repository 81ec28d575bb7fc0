import { createHash } from 'node:crypto';
import { PinholeError } from '../model/errors.ts';
import type { Writes } from '../store/interface.ts';
import type { Principal } from './principal.ts';

/**
 * Runs `work` once per idempotency key of a principal. If the same request arrives again, because its answer was lost, the stored
 * answer is returned. The key is committed together with the change. Without a key, `work` just runs.
 * @param request `what` identifies the request: its JSON is hashed; `at` is the time of the request
 * @throws PinholeError `idempotency-mismatch` for a different request under a used key
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
    throw new PinholeError('idempotency-mismatch', 'This Idempotency-Key was used for a different request.', {
      details: { field: 'idempotency-key' },
    });
  if (known) return known.answer as T;
  const answer = await work();
  await tx.saveIdempotentAnswer({ actor, key, digest, answer }, request.at);
  return answer;
}
