import { ADDRESS, PORT, PORT_OR_NONE } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import type { Of } from '../contract/shape.ts';

/** An address and a port. The port is 0 where an announcement names none. */
export const ENDPOINT = record({ address: ADDRESS, port: PORT_OR_NONE });
export type Endpoint = Of<typeof ENDPOINT>;

/** Whether an address is one of IPv6. */
export function isIpv6(address: string): boolean {
  return address.includes(':');
}

/** An endpoint for people: `192.0.2.1:21`, `[2001:db8::1]:21`. */
export function showEndpoint({ address, port }: Endpoint): string {
  return `${isIpv6(address) ? `[${address}]` : address}:${port}`;
}

/** Reads the decimal digits of a port. @returns null for anything that is no port */
export function readPort(digits: string): number | null {
  const port = Number(digits);
  return /^\d{1,5}$/.test(digits) && port >= PORT.min && port <= PORT.max ? port : null;
}
