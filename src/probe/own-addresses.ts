import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { FAMILIES, type Family } from '../model/catalogue.ts';
import { PinholeError } from '../model/errors.ts';
import { isIpv6 } from './endpoint.ts';

/** Link-local addresses need a zone, and no router forwards them. */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:/i;

/** All addresses of this host, except link-local ones. One socket listens at each, so that answers come from the address that was asked. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter((address) => !LINK_LOCAL.test(address));
}

/**
 * The addresses of a host, the first one of each family.
 * @param host name or address
 * @throws PinholeError `unreachable` if it has none
 */
export async function addressesOf(host: string, families: readonly Family[] = FAMILIES): Promise<string[]> {
  try {
    const all = await lookup(host, { all: true });
    const found = families.flatMap((family) => all.find((one) => one.family === (family === 'ipv4' ? 4 : 6))?.address ?? []);
    if (found.length > 0) return found;
    throw new PinholeError('unreachable', `${host} has no address of ${families.join(' or ')}.`);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    throw new PinholeError('unreachable', `${host} has no address: ${(error as NodeJS.ErrnoException).code ?? error}.`);
  }
}

/** Any port: nothing is sent to it. */
const DISCARD = 9;

/** The own address from which packets to another leave. @throws PinholeError `unreachable` without a route */
export async function addressTowards(address: string): Promise<string> {
  const socket = createSocket(isIpv6(address) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      // Connecting UDP only looks up the route.
      socket.connect(DISCARD, address, resolve);
    });
    return socket.address().address;
  } catch (error) {
    throw new PinholeError('unreachable', `There is no way to ${address}: ${(error as NodeJS.ErrnoException).code ?? error}.`);
  } finally {
    socket.close();
  }
}
