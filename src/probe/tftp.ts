/** Datagrams of TFTP (RFC 1350), as text of one character a byte. The name of the file is the name of the trial. */

const READ = '\u0000\u0001';
const DATA = '\u0000\u0003';
const ACK = '\u0000\u0004';

/** A request to read a file. A helper that sees it lets the answer in, from whatever port it comes. */
export function writeRequest(name: string): string {
  return `${READ}${name}\0octet\0`;
}

/**
 * A datagram that is no request: an acknowledgement with a name after it. No helper expects an answer to it, so that an answer that
 * arrives shows a path that is open anyway.
 */
export function writeQuiet(name: string): string {
  return `${ACK}\0\0${name}\0octet\0`;
}

/** The first block of a file. It is shorter than the request for a file whose name is the content. */
export function writeData(content: string): string {
  return `${DATA}\u0000\u0001${content}`;
}

/** What a datagram is: a request, the other datagram, or nothing of ours. */
export function readDatagram(bytes: string): 'request' | 'quiet' | null {
  if (bytes.startsWith(READ)) return 'request';
  return bytes.startsWith(ACK) ? 'quiet' : null;
}
