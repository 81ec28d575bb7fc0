import { connect, type Socket } from 'node:net';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';

export interface ConnectorOptions {
  /** Path of a unix socket. */
  readonly path: string;
  readonly backoff: Backoff;
  readonly onUp: (socket: Socket) => void;
  /** The connection that {@link onUp} was told of is gone. */
  readonly onDown: () => void;
}

/** Keeps one connection to a unix socket: connects, and again after it was lost, or was not to be had. */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #ports: Pick<Ports, 'clock' | 'chance'>;
  readonly #retry: Retry;
  #socket: Socket | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: ConnectorOptions, ports: Pick<Ports, 'clock' | 'chance'>) {
    this.#options = options;
    this.#ports = ports;
    this.#retry = new Retry(options.backoff, ports.chance);
  }

  /** Begins to connect. {@link ConnectorOptions.onUp} is called in a later turn at the earliest. */
  start(): void {
    if (this.#closed) return;
    const { path, onUp, onDown } = this.#options;
    const socket = connect(path);
    this.#socket = socket;
    let wasUp = false;
    socket.on('error', () => socket.destroy());
    socket.on('connect', () => {
      wasUp = true;
      this.#retry.succeeded();
      onUp(socket);
    });
    socket.on('close', () => {
      if (wasUp) onDown();
      if (!this.#closed) this.#timer = this.#ports.clock.after(this.#retry.failed(), () => this.start());
    });
  }

  /** Gives up the connection, for good. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#socket?.destroy();
  }
}
