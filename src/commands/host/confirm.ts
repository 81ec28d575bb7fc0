import { kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { hostPath } from '../../client/resources.ts';
import { HELD } from '../../contract/agent.ts';
import { HOST } from '../../contract/host.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Lets the pull through that a host's agent holds. @throws PinholeError `host-not-found`; `not-held`; `unreachable`, `timeout` */
export async function confirm(host: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const { held } = await client.read(HOST, 'GET', hostPath(host));
  if (!held) return print('nothing is held\n');
  const { value, json } = await client.read(kept(HELD), 'POST', `${hostPath(host)}/confirm`, { id: held.id });
  if (flags.json) printJson(json);
  else print(`confirmed: ${value.removed} of ${value.live} live helpers on ${host} are removed\n`);
}
