import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, helpersPath } from '../../client/resources.ts';
import { print, printJson } from '../../terminal/table.ts';
import { findOne } from './find-one.ts';

/** Gives a helper to connections that exist already. Rules reach new connections only. */
export async function reapply(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  const { id, helper: name } = await findOne(client, found, helper);
  const { connections } = await client.call<{ connections: number }>('POST', `${helpersPath(found.id, id)}/reapply`);
  if (flags.json) printJson({ helper: id, connections });
  else print(`${connections} live connection${connections === 1 ? '' : 's'} of router ${found.name} got the helper ${name}\n`);
}
