import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Netns } from '../contract/netns.ts';
import type { Family } from '../model/catalogue.ts';
import { readLinks } from './copied-network.ts';

const run = promisify(execFile);

/** Addresses in a namespace, without loopback and link-local ones, in the order of its interfaces. */
export async function addressesIn(netns: Netns): Promise<{ family: Family; address: string }[]> {
  const { stdout } = await run('ip', ['-n', netns, '-j', '-d', 'address', 'show']);
  return readLinks(stdout).flatMap(({ addresses }) => addresses.map(({ family, address }) => ({ family, address })));
}
