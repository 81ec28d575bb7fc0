import { type Endpoint, readPort } from './endpoint.ts';

/** The offer of a file by direct connection: CTCP DCC SEND. It names an IPv4 address as one number; IPv6 has no agreed form. */

/** The character before and after a CTCP message. */
const CTCP = '\u0001';
const OFFER = new RegExp(`^PRIVMSG \\S{1,64} :${CTCP}DCC SEND \\S{1,64} (\\d{1,10}) (\\d{1,5})\\b`);

/** `PRIVMSG probe :\x01DCC SEND …\x01`, without a line end. @param endpoint with an IPv4 address */
export function writeOffer({ address, port }: Endpoint): string {
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return `PRIVMSG probe :${CTCP}DCC SEND pinhole ${number} ${port} 1${CTCP}`;
}

/** The endpoint in an offer, with or without a line end; null: the line is none. */
export function readOffer(line: string): Endpoint | null {
  const [, number = '', digits = ''] = OFFER.exec(line) ?? [];
  const port = readPort(digits);
  const value = Number(number);
  if (port === null || value >= 2 ** 32) return null;
  return { address: [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.'), port };
}
