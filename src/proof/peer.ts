/**
 * One end of an attack, as a process in a namespace of the scratch network. No daemon uses it.
 *   proof-peer server HELPER SERVER PORT              accepts the control connection, and connects to the announced address
 *   proof-peer client HELPER SERVER PORT OWN TARGET   announces TARGET, and prints whether a peer connected
 *   proof-peer touch PROTOCOL SERVER PORT             sends one packet of a new connection
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv6 } from 'node:net';
import { ATTACKS } from './attacks.ts';

const WAIT_MS = 2500;

/**
 * Lines with which a client announces a port, by helper. Every peer of the protocol would accept them (RFC 959, RFC 2428, CTCP
 * DCC).
 */
const ANNOUNCE: Readonly<Record<string, (own: string, target: number) => string>> = {
  ftp: (own, target) =>
    isIPv6(own) ? `EPRT |2|${own}|${target}|\r\n` : `PORT ${own.replaceAll('.', ',')},${target >> 8},${target & 255}\r\n`,
  irc: (own, target) =>
    `PRIVMSG a :\u0001DCC SEND f ${own.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)} ${target}\u0001\r\n`,
};

/** The announced address in the text of a control connection; null: none yet. */
const ANNOUNCED: Readonly<Record<string, (text: string) => { host: string; port: number } | null>> = {
  ftp: (text) => {
    const extended = /EPRT \|2\|([^|]+)\|(\d+)\|/.exec(text);
    if (extended) return { host: extended[1] as string, port: Number(extended[2]) };
    const found = /PORT (\d+),(\d+),(\d+),(\d+),(\d+),(\d+)/.exec(text);
    return found ? { host: found.slice(1, 5).join('.'), port: Number(found[5]) * 256 + Number(found[6]) } : null;
  },
  irc: (text) => {
    const found = /DCC SEND \S+ (\d+) (\d+)/.exec(text);
    const address = Number(found?.[1]);
    return found ? { host: [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.'), port: Number(found[2]) } : null;
  },
};

/** Prints an event as a line of JSON; the lab reads it. */
function say(event: string, detail: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...detail })}\n`);
}

function tcpServer(helper: string, at: { server: string; port: number }): void {
  const server = createServer((socket) => {
    say('control', { from: socket.remoteAddress });
    let text = '';
    socket.on('error', () => undefined);
    socket.write('220 hello\r\n');
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const target = ANNOUNCED[helper]?.(text);
      if (!target) return void socket.write('200 go on\r\n');
      text = '';
      const attack = connect({ ...target, timeout: WAIT_MS }, () => say('connected', target));
      attack.on('error', (error) => say('refused', { ...target, error: error.message }));
    });
  });
  server.listen({ port: at.port, host: at.server }, () => say('ready'));
}

function tcpClient(helper: string, at: { server: string; port: number; own: string; target: number }): void {
  const victim = createServer((socket) => {
    say('reached', { from: socket.remoteAddress });
    socket.destroy();
    process.exit(0);
  });
  victim.listen({ port: at.target, host: at.own }, () => {
    const control = connect({ host: at.server, port: at.port });
    const lines = ['USER a\r\n', ANNOUNCE[helper]?.(at.own, at.target) ?? ''];
    // One line a segment, because the helper only parses the beginning of a segment.
    control.on('data', () => {
      const line = lines.shift();
      if (line) control.write(line);
    });
    control.on('error', (error) => say('no-control', { error: error.message }));
  });
}

const socketFor = (address: string) => createSocket(isIPv6(address) ? 'udp6' : 'udp4');

function udpServer(helper: string, at: { server: string; port: number }): void {
  const socket = socketFor(at.server);
  socket.on('message', (message, from) => {
    say('control', { from: from.address });
    const text = message.toString('latin1');
    const host = /c=IN IP[46] (\S+)/.exec(text)?.[1];
    const media = /m=audio (\d+)/.exec(text)?.[1];
    const target = helper === 'sip' ? (host && media ? { host, port: Number(media) } : null) : { host: from.address, port: from.port };
    if (!target) return;
    const attack = socketFor(target.host);
    attack.send('\0\x03\0\x01attack', target.port, target.host, () => say('connected', target));
  });
  socket.bind(at.port, at.server, () => say('ready'));
}

function udpClient(helper: string, at: { server: string; port: number; own: string; target: number }): void {
  const victim = socketFor(at.own);
  victim.on('message', (_message, from) => {
    say('reached', { from: from.address });
    process.exit(0);
  });
  victim.bind(at.target, at.own, () => {
    if (helper !== 'sip') return victim.send('\0\x01file\0octet\0', at.port, at.server);
    socketFor(at.own).bind(at.port, at.own, function (this: ReturnType<typeof createSocket>) {
      this.send(invite(at), at.port, at.server);
    });
  });
}

/** A SIP INVITE whose SDP announces the target port (RFC 3261, RFC 8866). */
function invite(at: { server: string; own: string; port: number; target: number }): string {
  const { port, target } = at;
  const [own, server] = [at.own, at.server].map((address) => (isIPv6(address) ? `[${address}]` : address));
  const address = `${isIPv6(at.own) ? 'IP6' : 'IP4'} ${at.own}`;
  const body = ['v=0', `o=- 1 1 IN ${address}`, 's=-', `c=IN ${address}`, 't=0 0', `m=audio ${target} RTP/AVP 0`, ''].join('\r\n');
  const head = [
    `INVITE sip:b@${server}:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${own}:${port};branch=z9hG4bK1`,
    `From: <sip:a@${own}:${port}>;tag=1`,
    `To: <sip:b@${server}:${port}>`,
    `Call-ID: 1@${own}`,
    'CSeq: 1 INVITE',
    `Contact: <sip:a@${own}:${port}>`,
    'Max-Forwards: 70',
    'Content-Type: application/sdp',
    `Content-Length: ${body.length}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function touch(protocol: string, server: string, port: number): void {
  const done = () => process.exit(0);
  if (protocol === 'udp') socketFor(server).send('x', port, server, done);
  else connect({ host: server, port }).on('connect', done).on('error', done);
}

const [role = '', what = '', server = '', port = '', own = '', target = ''] = process.argv.slice(2);
const isUdp = ATTACKS.get(what) === 'udp';
if (role === 'server') {
  (isUdp ? udpServer : tcpServer)(what, { server, port: Number(port) });
} else if (role === 'client') {
  setTimeout(() => process.exit(1), WAIT_MS);
  (isUdp ? udpClient : tcpClient)(what, { server, port: Number(port), own, target: Number(target) });
} else {
  setTimeout(() => process.exit(0), 300);
  touch(what, server, Number(port));
}
