import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Removes a router, which an id or a name says, and its helpers. */
export async function rm(router: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const { id, name } = (await findRouter(client, router)).value;
  await client.call('DELETE', `/v1/routers/${id}`);
  if (flags.json) printJson({ deleted: id });
  else print(`router ${name || id} is gone\n`);
}
