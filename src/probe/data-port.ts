import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Protocol } from '../model/catalogue.ts';
import type { Chance } from '../ports/chance.ts';
import type { Clock } from '../ports/clock.ts';
import { type Endpoint, isIpv6 } from './endpoint.ts';

/** The distance from the announced port to the other one. A SIP helper also opens the port between them, for RTCP. */
export const QUIET_DISTANCE = 2;
/** The ports among which data ports are chosen, both included. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

const ATTEMPTS = 50;
const MAX_CONNECTIONS = 8;
/** Longer than the name of a trial with its line end or its RTP header. */
const MAX_GREETING = 64;

/** What a data port listens for. */
export interface Awaited {
  /** The name of the trial: who says it has been admitted. */
  readonly trial: string;
  /** The only address that may say it; null: any. */
  readonly from: string | null;
  /** Whether what was heard is said back, byte for byte. */
  readonly isEcho: boolean;
}

/** Ports at which announced connections arrive: the announced one, and one that is not announced. */
export interface DataPair {
  readonly announced: DataPort;
  readonly quiet: DataPort;
}

/**
 * Opens a pair of data ports, the announced one even, as RTP wants it (RFC 3550).
 * @throws Error if no pair of the range is free
 */
export async function openPair(
  transport: Protocol,
  address: string,
  awaited: Awaited,
  { range, chance }: { range: PortRange; chance: Chance },
): Promise<DataPair> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = 2 * Math.ceil((range.low + Math.floor(chance() * (range.high - range.low - QUIET_DISTANCE))) / 2);
    const announced = await DataPort.open(transport, { address, port }, awaited);
    const quiet = announced && (await DataPort.open(transport, { address, port: port + QUIET_DISTANCE }, awaited));
    if (announced && quiet) return { announced, quiet };
    announced?.close();
  }
  throw new Error(`no two free ports among ${range.low}-${range.high}`);
}

/** A port at which a trial's connection or datagram may arrive. */
export class DataPort {
  readonly #socket: Server | UdpSocket;
  readonly #open = new Set<Socket>();
  #isHeard = false;
  #onHeard: () => void = () => undefined;

  private constructor(socket: Server | UdpSocket) {
    this.#socket = socket;
  }

  /** @param at own address and port, 0 for any. @returns null: the port is in use. @throws Error for another reason */
  static async open(transport: Protocol, at: Endpoint, awaited: Awaited): Promise<DataPort | null> {
    const socket = transport === 'tcp' ? createServer() : createSocket(isIpv6(at.address) ? 'udp6' : 'udp4');
    const port = new DataPort(socket);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        if ('listen' in socket) socket.listen({ host: at.address, port: at.port }, resolve);
        else socket.bind(at.port, at.address, resolve);
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
      throw error;
    }
    socket.on('error', () => undefined);
    if ('listen' in socket) port.#serveTcp(socket, awaited);
    else port.#serveUdp(socket, awaited);
    return port;
  }

  get port(): number {
    const address = this.#socket.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Whether the trial's name has arrived. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  /** Waits for the trial's name. @returns whether it has arrived in time */
  async heard(waitMs: number, clock: Clock): Promise<boolean> {
    const end = new AbortController();
    this.#onHeard = () => end.abort();
    if (!this.#isHeard) await clock.sleep(waitMs, end.signal);
    return this.#isHeard;
  }

  /** Sends a datagram from this port, which is one of UDP. */
  send(bytes: Buffer, to: Endpoint): void {
    if ('send' in this.#socket) this.#socket.send(bytes, to.port, to.address, () => undefined);
  }

  /** Stops listening, and closes what was accepted. */
  close(): void {
    this.#socket.close();
    for (const socket of this.#open) socket.destroy();
  }

  #serveTcp(server: Server, { trial, from, isEcho }: Awaited): void {
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#open.delete(socket));
      if (from !== null && socket.remoteAddress !== from) return void socket.destroy();
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (text === `${trial}\n`) {
          this.#hear();
          if (isEcho) socket.write(text);
        } else if (text.length > MAX_GREETING) socket.destroy();
      });
    });
  }

  #serveUdp(socket: UdpSocket, { trial, from, isEcho }: Awaited): void {
    socket.on('message', (message, peer) => {
      if ((from !== null && peer.address !== from) || message.length > MAX_GREETING || !message.includes(trial)) return;
      this.#hear();
      if (isEcho) socket.send(message, peer.port, peer.address);
    });
  }

  #hear(): void {
    this.#isHeard = true;
    this.#onHeard();
  }
}

/** A datagram of audio with the name of a trial: an RTP header (RFC 3550) and 16 to 19 bytes. */
export function mediaDatagram(trial: string): Buffer {
  return Buffer.concat([Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]), Buffer.from(trial, 'latin1')]);
}
