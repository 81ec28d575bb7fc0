import { connect } from 'node:net';
import type { Ports } from '../ports/ports.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import { MAX_FRAME } from '../sockets/frames.ts';

/**
 * Asks the kernel process at a socket for a sign of life, on a connection of its own.
 * @returns whether it answered within `withinMs` milliseconds; false also where there is no such socket
 */
export function answers(path: string, withinMs: number, { clock, logger }: Pick<Ports, 'clock' | 'logger'>): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answered: boolean) => {
      timer.cancel();
      socket.destroy();
      resolve(answered);
    };
    const timer = clock.after(withinMs, () => end(false));
    const framed = new FramedSocket(socket, {
      name: 'the kernel process',
      logger,
      maxBacklog: MAX_FRAME,
      // Events are sent unasked, also by a process that reads no requests. An answer carries the id of its request.
      onMessage: (message) => (message as { id?: unknown } | null)?.id === PING_ID && end(true),
      onClose: () => end(false),
    });
    framed.send({ id: PING_ID, request: { method: 'ping' } });
  });
}

const PING_ID = 1;
