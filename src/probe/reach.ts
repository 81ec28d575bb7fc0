import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock } from '../ports/clock.ts';
import { type Endpoint, isIpv6 } from './endpoint.ts';

/** How an attempt to connect ended. `why` is the system's code of a refusal. */
export type Attempt = { readonly outcome: 'connected' | 'silent' } | { readonly outcome: 'refused'; readonly why: string };

/**
 * Connects by TCP and says one line.
 * @param from own address and port, 0 for any. A port that this process may not use, or that is in use, becomes any.
 * @param options how long to wait, and what to do with an answer; the connection is closed then
 * @returns `connected` once the line was sent or, with `answer`, once exactly that came back
 */
export async function connectAndSay(
  target: Endpoint,
  from: Endpoint,
  line: string,
  options: { readonly waitMs: number; readonly clock: Clock; readonly answer?: string },
): Promise<Attempt> {
  const attempt = await attemptFrom(target, from, line, options);
  const isOurs = attempt.outcome === 'refused' && ['EACCES', 'EADDRINUSE', 'EADDRNOTAVAIL'].includes(attempt.why);
  return isOurs && from.port !== 0 ? attemptFrom(target, { ...from, port: 0 }, line, options) : attempt;
}

async function attemptFrom(
  target: Endpoint,
  from: Endpoint,
  line: string,
  options: { readonly waitMs: number; readonly clock: Clock; readonly answer?: string },
): Promise<Attempt> {
  const { waitMs, clock, answer } = options;
  const socket = connect({ host: target.address, port: target.port, localAddress: from.address, localPort: from.port });
  const late = new AbortController();
  try {
    return await new Promise<Attempt>((resolve) => {
      void clock.sleep(waitMs, late.signal).then(() => resolve({ outcome: 'silent' }));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve({ outcome: 'refused', why: error.code ?? error.message }));
      socket.on('close', () => resolve({ outcome: 'refused', why: 'the connection was closed' }));
      let heard = '';
      socket.on('data', (chunk) => {
        heard += chunk.toString('latin1').slice(0, line.length + 1);
        if (answer !== undefined && heard === answer) resolve({ outcome: 'connected' });
      });
      socket.on('connect', () => socket.write(line, () => answer === undefined && resolve({ outcome: 'connected' })));
    });
  } finally {
    late.abort();
    // destroySoon would wait for the end of an attempt to connect: two minutes where a firewall drops it.
    if (socket.connecting) socket.destroy();
    else socket.destroySoon();
  }
}

/** Sends one datagram from a new port. @param from own address */
export async function sendFrom(from: string, target: Endpoint, bytes: Buffer): Promise<void> {
  const socket = createSocket(isIpv6(from) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.bind(0, from, () => socket.send(bytes, target.port, target.address, (error) => (error ? reject(error) : resolve())));
    });
  } finally {
    socket.close();
  }
}
