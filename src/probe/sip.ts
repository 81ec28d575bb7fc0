import type { Protocol } from '../model/catalogue.ts';
import { type Endpoint, isIpv6, readPort, showEndpoint } from './endpoint.ts';

/** SIP requests and answers with a session description (RFC 3261, RFC 8866), complete: with their last empty line and body. */

/** Both ends of a call as the client knows them. */
export interface Call {
  /** Call-ID: the name of the trial. */
  readonly id: string;
  readonly transport: Protocol;
  readonly client: Endpoint;
  readonly reflector: Endpoint;
}

/** A message that was read. */
export interface SipMessage {
  /** First line: `INVITE sip:… SIP/2.0` or `SIP/2.0 200 OK`. */
  readonly start: string;
  /** Header lines, in order. */
  readonly headers: readonly string[];
  /** Where the session description wants audio; null: it has none. */
  readonly media: Endpoint | null;
}

/** The longest message that is read, in bytes. */
export const MAX_SIP = 4096;
/**
 * A header that makes a request longer than its answer, so that a reflector never sends more than it got. RFC 3261 lets a request have
 * any subject.
 */
const PADDING = `Subject: ${'pinhole probe '.repeat(14).trim()}`;

/** An INVITE that announces where the client wants audio. */
export function writeInvite(call: Call, media: Endpoint): string {
  const { client, reflector } = call;
  return message(
    [
      `INVITE sip:reflector@${showEndpoint(reflector)} SIP/2.0`,
      `Via: SIP/2.0/${call.transport.toUpperCase()} ${showEndpoint(client)};branch=z9hG4bK${call.id}`,
      'Max-Forwards: 70',
      `From: <sip:probe@${showEndpoint(client)}>;tag=${call.id}`,
      `To: <sip:reflector@${showEndpoint(reflector)}>`,
      `Call-ID: ${call.id}`,
      'CSeq: 1 INVITE',
      `Contact: <sip:probe@${showEndpoint(client)}>`,
      PADDING,
    ],
    media,
  );
}

/** The end of a call, so that helpers in the path forget its ports. */
export function writeBye(call: Call): string {
  const { client, reflector } = call;
  return message([
    `BYE sip:reflector@${showEndpoint(reflector)} SIP/2.0`,
    `Via: SIP/2.0/${call.transport.toUpperCase()} ${showEndpoint(client)};branch=z9hG4bK${call.id}bye`,
    'Max-Forwards: 70',
    `From: <sip:probe@${showEndpoint(client)}>;tag=${call.id}`,
    `To: <sip:reflector@${showEndpoint(reflector)}>;tag=reflector`,
    `Call-ID: ${call.id}`,
    'CSeq: 2 BYE',
  ]);
}

/**
 * The answer to an INVITE: 200 with the reflector's own audio port. It repeats the headers that an answer must repeat, as they came.
 * @param own where the reflector wants audio
 */
export function writeAnswer(invite: SipMessage, own: Endpoint): string {
  const repeated = (name: string) => invite.headers.filter((line) => line.toLowerCase().startsWith(`${name}:`));
  return message(
    [
      'SIP/2.0 200 OK',
      ...repeated('via'),
      ...repeated('from'),
      ...repeated('to').map((line) => (line.includes(';tag=') ? line : `${line};tag=reflector`)),
      ...repeated('call-id'),
      ...repeated('cseq'),
      `Contact: <sip:reflector@${showEndpoint(own)}>`,
    ],
    own,
  );
}

/**
 * Cuts the first message off a stream.
 * @returns null: it is not complete; otherwise the message's length in characters, or `broken` for a stream that is no SIP
 */
export function cutMessage(text: string): number | 'broken' | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return text.length > MAX_SIP ? 'broken' : null;
  const [, digits = '0'] = /^Content-Length:[ \t]{0,8}(\d{1,5})[ \t]{0,8}$/im.exec(text.slice(0, end).replaceAll('\r', '')) ?? [];
  const length = end + 4 + Number(digits);
  if (length > MAX_SIP) return 'broken';
  return text.length < length ? null : length;
}

/** Reads one whole message. @returns null: it is no SIP */
export function readMessage(text: string): SipMessage | null {
  const end = text.indexOf('\r\n\r\n');
  const [start = '', ...headers] = text.slice(0, Math.max(0, end)).split('\r\n');
  if (text.length > MAX_SIP || !(/^[A-Z]{3,10} \S{1,200} SIP\/2\.0$/.test(start) || /^SIP\/2\.0 \d{3} /.test(start))) return null;
  return { start, headers, media: mediaOf(text.slice(end + 4)) };
}

function mediaOf(body: string): Endpoint | null {
  const [, family, address = ''] = /^c=IN IP([46]) ([0-9a-fA-F.:]{2,45})\r?$/m.exec(body) ?? [];
  const [, digits = ''] = /^m=audio (\d{1,5}) /m.exec(body) ?? [];
  const port = readPort(digits);
  if (family === undefined || port === null || isIpv6(address) !== (family === '6')) return null;
  return { address: address.toLowerCase(), port };
}

function message(head: readonly string[], media?: Endpoint): string {
  const body = media ? description(media) : '';
  const type = media ? ['Content-Type: application/sdp'] : [];
  return [...head, ...type, `Content-Length: ${body.length}`, '', body].join('\r\n');
}

function description({ address, port }: Endpoint): string {
  const at = `IN IP${isIpv6(address) ? 6 : 4} ${address}`;
  return ['v=0', `o=- 1 1 ${at}`, 's=-', `c=${at}`, 't=0 0', `m=audio ${port} RTP/AVP 0`, ''].join('\r\n');
}
