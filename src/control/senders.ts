import type { Sender } from '../bus/interface.ts';
import { PinholeError } from '../model/errors.ts';
import type { Context } from './context.ts';

/** @throws PinholeError `denied` where the bus says that somebody else speaks than the host's own user */
export function enforceSender({ userOfHost }: Pick<Context, 'userOfHost'>, host: string, sender: Sender): void {
  const user = userOfHost(host);
  if (user === null || sender.user === user) return;
  const who = sender.user === null ? 'who does not say' : `'${sender.user}'`;
  throw new PinholeError('denied', `Only user '${user}' of the bus speaks for host ${host}, not ${who}.`);
}
