import { type Endpoint, isIpv6, readPort } from './endpoint.ts';

/**
 * Lines of FTP that announce a data connection: PORT and 227 (RFC 959), EPRT and 229 (RFC 2428). Readers take a line with or without
 * its line end, and return null for a line that announces nothing.
 */

/** `PORT 192,0,2,1,195,80`, without a line end. @param endpoint with an IPv4 address */
export function writePort(endpoint: Endpoint): string {
  return `PORT ${sixNumbers(endpoint)}`;
}

/** `EPRT |1|192.0.2.1|50000|`, without a line end. */
export function writeEprt({ address, port }: Endpoint): string {
  return `EPRT |${isIpv6(address) ? 2 : 1}|${address}|${port}|`;
}

/** The answer to PASV, without a line end. @param endpoint with an IPv4 address */
export function writePassive(endpoint: Endpoint): string {
  return `227 Entering Passive Mode (${sixNumbers(endpoint)})`;
}

/** The answer to EPSV, without a line end. It names a port only. */
export function writeExtendedPassive(port: number): string {
  return `229 Entering Extended Passive Mode (|||${port}|)`;
}

/** The endpoint in a PORT or EPRT line. */
export function readActive(line: string): Endpoint | null {
  const [, numbers] = /^PORT ([\d,]{11,23})\s*$/i.exec(line) ?? [];
  if (numbers !== undefined) return fromSixNumbers(numbers);
  const [, family, address = '', digits = ''] = /^EPRT \|([12])\|([0-9a-fA-F.:]{2,45})\|(\d{1,5})\|\s*$/i.exec(line) ?? [];
  const port = readPort(digits);
  if (family === undefined || port === null || isIpv6(address) !== (family === '2')) return null;
  return { address: address.toLowerCase(), port };
}

/**
 * The endpoint in a 227 or 229 line.
 * @param peer address of the peer, which is that of a 229
 */
export function readPassive(line: string, peer: string): Endpoint | null {
  const [, numbers] = /^227 [^(]{0,200}\(([\d,]{11,23})\)/.exec(line) ?? [];
  if (numbers !== undefined) return fromSixNumbers(numbers);
  const [, digits = ''] = /^229 [^(]{0,200}\(\|\|\|(\d{1,5})\|\)/.exec(line) ?? [];
  const port = readPort(digits);
  return port === null ? null : { address: peer, port };
}

function sixNumbers({ address, port }: Endpoint): string {
  return `${address.replaceAll('.', ',')},${port >> 8},${port & 255}`;
}

function fromSixNumbers(text: string): Endpoint | null {
  const numbers = text.split(',').map((digits) => (/^\d{1,3}$/.test(digits) ? Number(digits) : 256));
  const [high = 256, low = 256] = numbers.slice(4);
  if (numbers.length !== 6 || numbers.some((number) => number > 255)) return null;
  const port = readPort(String(high * 256 + low));
  return port === null ? null : { address: numbers.slice(0, 4).join('.'), port };
}
