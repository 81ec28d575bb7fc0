import { Client, type ClientFlags } from '../../client/client.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Revokes a token, by its id. */
export async function revoke(id: string, flags: ClientFlags): Promise<void> {
  await new Client(flags).call('DELETE', `/v1/tokens/${encodeURIComponent(id)}`);
  if (flags.json) printJson({ revoked: id });
  else print(`token ${id} is revoked\n`);
}
