import { kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { hostPath } from '../../client/resources.ts';
import { HOST } from '../../contract/host.ts';
import { showHost } from './show-hosts.ts';

/** Prints one host: its agent, its kernel, and what is wrong there. @throws PinholeError `host-not-found` */
export async function show(host: string, flags: ClientFlags): Promise<void> {
  showHost(await new Client(flags).read(kept(HOST), 'GET', hostPath(host)), flags);
}
