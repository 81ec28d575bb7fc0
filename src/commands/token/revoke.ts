import { Client, type ClientFlags } from '../../client/client.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Revokes the token with an id. From then on, the server refuses it. */
export async function revoke(id: string, flags: ClientFlags): Promise<void> {
  await new Client(flags).call('DELETE', `/v1/tokens/${encodeURIComponent(id)}`);
  if (flags.json) printJson({ revoked: id });
  else print(`token ${id} is revoked\n`);
}
