import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Protocol } from '../model/catalogue.ts';
import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import {
  CHANNEL_VERSION,
  type ChannelPlace,
  MAX_CHANNEL_FRAME,
  type Question,
  REACHED,
  type Reached,
  readQuestion,
  SEEN,
  type Service,
  toBase64,
  WELCOME,
  type Which,
  writeError,
  writeResult,
} from './channel.ts';
import { ControlConnection } from './control-connection.ts';
import { CONVERSATIONS } from './conversations.ts';
import { mediaDatagram, openPair, type PortRange, QUIET_DISTANCE } from './data-port.ts';
import { type Endpoint, isIpv6, readPort } from './endpoint.ts';
import { connectAndSay, sendFrom } from './reach.ts';
import { DEFAULT_LIMITS, type Limits, type Session, Sessions, type TrialRecord } from './sessions.ts';
import { readDatagram, writeData } from './tftp.ts';
import { findTrial } from './trial-id.ts';

/** Announced ports below are never connected to: services live there, and a forged announcement must not reach them. */
export const LOWEST_TARGET = 1024;
/** Bytes of answers that a client has not read. */
const MAX_BACKLOG = 4 * MAX_CHANNEL_FRAME;
/** Questions of one client that wait for their answers. */
const MAX_QUESTIONS = 32;
const MAX_DATAGRAM = 2048;

/** What a reflector is started with. */
export interface ReflectorOptions {
  /** Addresses of this host to listen at, each a single one. */
  readonly addresses: readonly string[];
  readonly services: readonly Service[];
  /** A unix socket replaces the port at each address. Who may open it may ask for any trial. */
  readonly channel: ChannelPlace;
  readonly dataPorts: PortRange;
  readonly limits?: Partial<Limits>;
}

/**
 * Answers probe clients: it speaks the protocols that ALGs read, and says on its channel what arrived. It listens to strangers, so it
 * sends nothing but to the address that a client's TCP handshake has verified, to ports from {@link LOWEST_TARGET}, a bounded number of
 * times, and in answer to UDP never more bytes than came.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #ports: Ports;
  readonly #limits: Limits;
  readonly #sessions: Sessions;
  readonly #listening: (Server | UdpSocket)[] = [];
  readonly #sockets = new Set<Socket>();
  #controls = 0;
  readonly #controlsOf = new Map<string, number>();

  constructor(options: ReflectorOptions, ports: Ports) {
    this.#options = options;
    this.#ports = ports;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#sessions = new Sessions(ports.clock, this.#limits);
  }

  /** Sessions that have not ended. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Listens everywhere. @throws PinholeError that names the port, if it cannot listen there; then it listens nowhere */
  async start(): Promise<void> {
    try {
      const { channel } = this.#options;
      if ('path' in channel) await this.#listen(channel.path, channel, (socket) => this.#welcome(socket));
      for (const address of this.#options.addresses) {
        if ('port' in channel) await this.#listenTcp({ address, port: channel.port }, (socket) => this.#welcome(socket));
        for (const service of this.#options.services) await this.#serve(service, address);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Stops listening, and ends all sessions and connections. */
  close(): void {
    for (const socket of this.#listening.splice(0)) socket.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sessions.close();
  }

  async #serve({ helper, transport, port }: Service, address: string): Promise<void> {
    const at = { address, port };
    if (transport === 'udp') await this.#listenUdp(at, (socket, bytes, peer) => this.#datagram({ helper, at, socket }, bytes, peer));
    else if (helper !== 'tftp') await this.#listenTcp(at, (socket) => this.#control(socket, helper, at));
  }

  #listenTcp(at: Endpoint, onConnection: (socket: Socket) => void): Promise<void> {
    return this.#listen(`tcp port ${at.port} at ${at.address}`, { host: at.address, port: at.port }, onConnection);
  }

  async #listen(where: string, at: ListenOptions, onConnection: (socket: Socket) => void): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      if (this.#admit(socket)) onConnection(socket);
      else socket.destroy();
    });
    await listening(where, (resolve, reject) => server.once('error', reject).listen(at, resolve));
    server.on('error', (err) => this.#ports.logger.warn({ err }, where));
    this.#listening.push(server);
  }

  async #listenUdp(at: Endpoint, onDatagram: (socket: UdpSocket, bytes: Buffer, peer: RemoteInfo) => void): Promise<void> {
    const socket = createSocket(isIpv6(at.address) ? 'udp6' : 'udp4');
    const where = `udp port ${at.port} at ${at.address}`;
    await listening(where, (resolve, reject) => socket.once('error', reject).bind(at.port, at.address, resolve));
    socket.on('error', (err) => this.#ports.logger.warn({ err }, where));
    socket.on('message', (bytes, peer) => onDatagram(socket, bytes, peer));
    this.#listening.push(socket);
  }

  /** Counts a connection. @returns whether there is room for it */
  #admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '';
    const own = this.#controlsOf.get(address) ?? 0;
    if (this.#controls >= this.#limits.controls || own >= this.#limits.controlsPerAddress) return false;
    this.#controls++;
    this.#controlsOf.set(address, own + 1);
    socket.on('close', () => {
      this.#controls--;
      const left = (this.#controlsOf.get(address) ?? 1) - 1;
      if (left > 0) this.#controlsOf.set(address, left);
      else this.#controlsOf.delete(address);
    });
    return true;
  }

  #control(socket: Socket, helper: keyof typeof CONVERSATIONS, at: Endpoint): void {
    new ControlConnection(socket, CONVERSATIONS[helper], {
      clock: this.#ports.clock,
      strangerMs: this.#limits.strangerMs,
      lifeMs: this.#limits.sessionMs,
      recordOf: (trial) => this.#sessions.find(trial)?.trial(trial) ?? null,
      begun: (record, from) => {
        record.helper ??= helper;
        record.from ??= from;
        record.at ??= at;
      },
      open: (record, transport) => this.#openPair(record, transport),
    });
  }

  /** Takes a datagram only of a session, and only from the session's address: the sender of a datagram may be forged. */
  #datagram({ helper, at, socket }: { helper: Service['helper']; at: Endpoint; socket: UdpSocket }, bytes: Buffer, peer: RemoteInfo): void {
    const text = bytes.length > MAX_DATAGRAM ? '' : bytes.toString('latin1');
    const id = findTrial(text);
    const session = id === null ? null : this.#sessions.find(id);
    const record = id === null || (session?.address ?? peer.address) !== peer.address ? null : session?.trial(id);
    if (!record) return;
    const from = { address: peer.address, port: peer.port };
    if (helper === 'tftp' && readDatagram(text) === 'quiet') {
      record.quiet ??= from;
      return;
    }
    record.helper ??= helper;
    record.from ??= from;
    record.at ??= at;
    if (record.received === '') record.keepReceived(text);
    if (helper === 'tftp') record.announced ??= from;
    if (helper === 'sip') void this.#answerDatagram(record, text, (answer) => socket.send(answer, peer.port, peer.address));
  }

  async #answerDatagram(record: TrialRecord, text: string, send: (answer: Buffer) => void): Promise<void> {
    try {
      const answer = await CONVERSATIONS.sip.answer(text, {
        hear: (endpoint) => {
          record.announced ??= endpoint;
        },
        open: (transport) => this.#openPair(record, transport),
      });
      if (answer === '' || answer.length > text.length) return;
      if (record.sent === '') record.keepSent(answer);
      send(Buffer.from(answer, 'latin1'));
    } catch (err) {
      this.#ports.logger.warn({ err, trial: record.id }, 'a datagram is not answered');
    }
  }

  /** The data ports of a trial: a repeated request gets the same ones. */
  async #openPair(record: TrialRecord, transport: Protocol): Promise<Endpoint> {
    const session = this.#sessions.find(record.id);
    const address = record.at?.address;
    if (!session || address === undefined || record.from === null) throw new PinholeError('not-found', 'the session has ended');
    if (!record.pair) {
      if (!this.#sessions.mayOpenPair(session)) throw new PinholeError('overloaded', 'too many data ports are open');
      const awaited = { trial: record.id, from: record.from.address, isEcho: true };
      const pair = await openPair(transport, address, awaited, { range: this.#options.dataPorts, chance: this.#ports.chance });
      // The session may have ended meanwhile, and a repeated request may have opened a pair.
      if (record.pair || this.#sessions.find(record.id) !== session) {
        pair.announced.close();
        pair.quiet.close();
      } else record.pair = pair;
    }
    if (!record.pair) throw new PinholeError('not-found', 'the session has ended');
    return { address, port: record.pair.announced.port };
  }

  #welcome(socket: Socket): void {
    let session: Session | null = null;
    let waiting = 0;
    const stranger = this.#ports.clock.after(this.#limits.strangerMs, () => socket.destroy());
    const framed = new FramedSocket(socket, {
      name: 'a probe client',
      logger: this.#ports.logger,
      maxReceived: MAX_CHANNEL_FRAME,
      maxSent: MAX_CHANNEL_FRAME,
      maxBacklog: MAX_BACKLOG,
      onMessage: (message) => {
        const question = readQuestion(message);
        if (waiting >= MAX_QUESTIONS) throw new PinholeError('too-many-requests', `more than ${MAX_QUESTIONS} questions at a time`);
        waiting++;
        void this.#answer(question, session, socket)
          .then((answer) => {
            if ('begun' in answer) {
              session = answer.begun;
              stranger.cancel();
            }
            framed.send(answer.message);
          })
          .finally(() => waiting--);
      },
      onClose: () => {
        stranger.cancel();
        if (session) this.#sessions.end(session);
      },
    });
  }

  /** Never rejects. */
  async #answer(
    question: Question,
    session: Session | null,
    socket: Socket,
  ): Promise<{ message: unknown } | { message: unknown; begun: Session }> {
    try {
      if (question.ask === 'hello') return this.#begin(question.id, session, socket);
      const record = session?.trial(question.trial);
      if (!record) return { message: writeError(question.id, 'this is no trial of your session') };
      if (question.ask === 'reach')
        return { message: writeResult(question.id, REACHED, await this.#reach(record, question.which, question.wait)) };
      const { received, sent, from, at, announced } = record;
      return { message: writeResult(question.id, SEEN, { received: toBase64(received), sent: toBase64(sent), from, at, announced }) };
    } catch (error) {
      return { message: writeError(question.id, (error as Error).message.slice(0, 200)) };
    }
  }

  #begin(id: number, session: Session | null, socket: Socket): { message: unknown } | { message: unknown; begun: Session } {
    const { remoteAddress: address, remotePort: port } = socket;
    if (session) return { message: writeError(id, 'the session has begun already') };
    const begun = this.#sessions.begin(randomBytes(8).toString('hex'), address ?? null, () => socket.destroy());
    if (typeof begun === 'string') return { message: writeError(id, begun) };
    const { services } = this.#options;
    const seen = address === undefined || port === undefined ? null : { address, port };
    return {
      begun,
      message: writeResult(id, WELCOME, { version: CHANNEL_VERSION, token: begun.token, seen, services }),
    };
  }

  async #reach(record: TrialRecord, which: Which, wait: number): Promise<Reached> {
    const target = targetOf(record, which);
    const notTried = (why: string): Reached => ({ outcome: 'not-tried', target, why });
    if (!target || !record.at) return notTried('nothing was announced');
    if (target.port < LOWEST_TARGET) return notTried(`port ${target.port} is below ${LOWEST_TARGET}`);
    if (++record.reaches > this.#limits.reaches) return notTried(`a trial may ask ${this.#limits.reaches} times`);
    if (record.helper === 'sip' || record.helper === 'tftp') {
      const bytes = record.helper === 'sip' ? mediaDatagram(record.id) : Buffer.from(writeData(record.id), 'latin1');
      if (bytes.length > record.received.length) return notTried('the answer is larger than the request');
      await sendFrom(record.at.address, target, bytes);
      return { outcome: 'sent', target, why: '' };
    }
    // FTP's data connections come from the port below that of the control connection (RFC 959).
    const localPort = record.helper === 'ftp' ? record.at.port - 1 : 0;
    const from = { address: record.at.address, port: localPort };
    const attempt = await connectAndSay(target, from, `${record.id}\n`, { waitMs: wait, clock: this.#ports.clock });
    return { outcome: attempt.outcome, target, why: attempt.outcome === 'refused' ? attempt.why : '' };
  }
}

/** Where an attempt goes: always to the address that the control connection came from, whatever the announcement says. */
function targetOf({ from, announced, quiet }: TrialRecord, which: Which): Endpoint | null {
  if (!from) return null;
  if (which === 'announced') return announced && { address: from.address, port: announced.port };
  if (quiet) return quiet;
  const port = announced && readPort(String(announced.port + QUIET_DISTANCE));
  return port === null || port === undefined ? null : { address: from.address, port };
}

/** Turns the errors of listening into messages that say what to do. */
async function listening(where: string, listen: (resolve: () => void, reject: (error: Error) => void) => void): Promise<void> {
  try {
    await new Promise<void>(listen);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES')
      throw new PinholeError('denied', `No right to listen on ${where}: use another port, or run as root or with CAP_NET_BIND_SERVICE.`);
    if (code === 'EADDRINUSE') throw new PinholeError('internal', `Another program listens on ${where}: use another port, or stop it.`);
    throw new PinholeError('internal', `Cannot listen on ${where}: ${message}`);
  }
}
