import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, helpersPath } from '../../client/resources.ts';
import { COUNT } from '../../contract/primitives.ts';
import { record } from '../../contract/record.ts';
import { print, printJson } from '../../terminal/table.ts';
import { findOne } from './find-one.ts';

const REAPPLIED = record({ connections: COUNT });

/** Gives a helper to connections that are already open; without this, only new connections get it. Prints how many got it. */
export async function reapply(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = (await findRouter(client, router)).value;
  const { id, helper: name } = (await findOne(client, found, helper)).value;
  const { connections } = await client.read(REAPPLIED, 'POST', `${helpersPath(found.id, id)}/reapply`);
  if (flags.json) printJson({ helper: id, connections });
  else print(`${connections} live connection${connections === 1 ? '' : 's'} of router ${found.name} got the helper ${name}\n`);
}
