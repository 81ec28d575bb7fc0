import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, helpersPath } from '../../client/resources.ts';
import { print, printJson } from '../../terminal/table.ts';
import { findOne } from './find-one.ts';

/** Removes a helper of a router; {@link findOne} says how it may be named. */
export async function rm(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = (await findRouter(client, router)).value;
  const { id, helper: name, protocol, port } = (await findOne(client, found, helper)).value;
  await client.call('DELETE', helpersPath(found.id, id));
  if (flags.json) printJson({ deleted: id });
  else print(`helper ${name} (${protocol} port ${port}) of router ${found.name} is gone\n`);
}
