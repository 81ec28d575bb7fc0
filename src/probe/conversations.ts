import type { Protocol } from '../model/catalogue.ts';
import type { Endpoint } from './endpoint.ts';
import { readActive, writeExtendedPassive, writePassive } from './ftp.ts';
import { readOffer } from './irc.ts';
import { cutMessage, readMessage, writeAnswer } from './sip.ts';
import type { Probed } from './trials.ts';

/** What a conversation may do beside answering. */
export interface Announcements {
  /** The client has announced where it wants a connection. */
  hear(endpoint: Endpoint): void;
  /** Opens a data port of the reflector's, to announce it. @returns its address and port */
  open(transport: Protocol): Promise<Endpoint>;
}

/** The reflector's side of one protocol. */
export interface Conversation {
  /** What the reflector says first; empty: it waits. */
  readonly greeting: string;
  /** Cuts the first message off a stream: its length in characters, null while it is incomplete, `broken` for garbage. */
  cut(text: string): number | 'broken' | null;
  /** The answer to a message that {@link cut} cut off; empty: none. */
  answer(message: string, announcements: Announcements): Promise<string>;
}

/** Longer lines are no part of any conversation here. */
const MAX_LINE = 512;

function cutLine(text: string): number | 'broken' | null {
  const end = text.indexOf('\n');
  if (end < 0) return text.length > MAX_LINE ? 'broken' : null;
  return end >= MAX_LINE ? 'broken' : end + 1;
}

const FTP: Conversation = {
  greeting: '220 Pinhole probe\r\n',
  cut: cutLine,
  async answer(line, announcements) {
    const [command = ''] = line.toUpperCase().split(/[\s]/, 1);
    switch (command) {
      case 'USER':
        return '230 Logged in\r\n';
      case 'PORT':
      case 'EPRT': {
        const endpoint = readActive(line);
        if (!endpoint) return '501 Not understood\r\n';
        announcements.hear(endpoint);
        return '200 Command okay\r\n';
      }
      case 'PASV':
        return `${writePassive(await announcements.open('tcp'))}\r\n`;
      case 'EPSV':
        return `${writeExtendedPassive((await announcements.open('tcp')).port)}\r\n`;
      default:
        return '502 Not implemented\r\n';
    }
  },
};

const IRC: Conversation = {
  greeting: '',
  cut: cutLine,
  async answer(line, announcements) {
    const [command = ''] = line.toUpperCase().split(/[\s]/, 1);
    if (command === 'USER') return ':pinhole 001 probe :Welcome\r\n';
    if (command !== 'PRIVMSG') return '';
    const endpoint = readOffer(line);
    if (endpoint) announcements.hear(endpoint);
    return `:pinhole NOTICE probe :${endpoint ? 'heard' : 'not understood'}\r\n`;
  },
};

const SIP: Conversation = {
  greeting: '',
  cut: cutMessage,
  async answer(text, announcements) {
    const message = readMessage(text);
    if (!message?.media || !message.start.startsWith('INVITE ')) return '';
    announcements.hear(message.media);
    return writeAnswer(message, await announcements.open('udp'));
  },
};

/** Conversations by helper. TFTP has none: a request is one datagram, and its answer is data. */
export const CONVERSATIONS: Readonly<Record<Exclude<Probed, 'tftp'>, Conversation>> = { ftp: FTP, sip: SIP, irc: IRC };
