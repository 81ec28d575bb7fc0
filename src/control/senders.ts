import type { Sender } from '../bus/interface.ts';
import { PinholeError } from '../model/errors.ts';
import type { Context } from './context.ts';

/** @throws PinholeError `denied` if the bus names another user as sender than the one who speaks for the host */
export function enforceSender({ userOfHost }: Pick<Context, 'userOfHost'>, host: string, sender: Sender): void {
  const user = userOfHost(host);
  if (user === null || sender.user === user) return;
  const who = sender.user === null ? 'an unnamed sender' : `'${sender.user}'`;
  throw new PinholeError('denied', `Only user '${user}' of the bus may speak for host ${host}, not ${who}.`);
}
