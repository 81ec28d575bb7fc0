import { ANY_NUMBER, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { list as listOf } from '../../contract/compounds.ts';
import { HOST } from '../../contract/host.ts';
import { record } from '../../contract/record.ts';
import { showHosts } from './show-hosts.ts';

const HOSTS = record({ hosts: listOf(kept(HOST), ANY_NUMBER) });

/** Prints every host that has an agent or that a router names. */
export async function list(flags: ClientFlags): Promise<void> {
  showHosts((await new Client(flags).read(HOSTS, 'GET', '/v1/hosts')).hosts, flags);
}
