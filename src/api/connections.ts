import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ConnectionShares } from './connection-shares.ts';

type Socket = FastifyRequest['raw']['socket'];

/** Of the connections, one in so many is for clients on this host alone. */
const RESERVE = 10;

declare module 'fastify' {
  interface FastifyInstance {
    connectionShares: ConnectionShares<Socket | string>;
  }
}

/**
 * Shares the connections that the server may have open. Too many make room themselves: those that wait for a request give way. A
 * handler of requests marks a connection as busy for as long as the answer takes.
 */
export function shareConnections(
  app: FastifyInstance,
  { connections, connectionsPerAddress }: { readonly connections: number; readonly connectionsPerAddress: number },
): void {
  const shares = new ConnectionShares<Socket | string>({
    total: connections,
    reserved: Math.floor(connections / RESERVE),
    perAddress: connectionsPerAddress,
  });
  const open = new Map<Socket | string, Socket>();
  app.decorate('connectionShares', shares);
  app.server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    open.set(key, socket);
    socket.once('close', () => {
      if (open.get(key) === socket) open.delete(key);
      shares.remove(key);
    });
    const leaves = shares.add(key, peerOf(socket));
    if (leaves !== null) open.get(leaves)?.destroy();
  });
  app.addHook('onRequest', async ({ raw }, reply) => {
    const key = keyOf(raw.socket);
    shares.begin(key);
    reply.raw.once('close', () => shares.end(key));
  });
}

/** Notes on which connections clients have signed in. Called after the hook that authenticates. */
export function markSignedIn(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ principal, raw }) => {
    if (principal !== null) app.connectionShares.signedIn(keyOf(raw.socket));
  });
}

/** With TLS, the socket that requests name is another than the one that was accepted: both have the same peer. */
function keyOf(socket: Socket): Socket | string {
  const { remoteAddress, remotePort } = socket;
  return remotePort === undefined ? socket : `${remoteAddress} ${remotePort}`;
}

/** Returns whose share a connection counts for: an address; of IPv6 a subnet, in which a client has as many addresses as it likes. */
export function peerOf({ remoteAddress }: Pick<Socket, 'remoteAddress'>): { readonly address: string; readonly isLocal: boolean } {
  const address = (remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
  if (address === '' || address === '::1' || address.startsWith('127.')) return { address: 'this host', isLocal: true };
  return { address: address.includes(':') ? subnetOf(address) : address, isLocal: false };
}

/** The first 64 bits of an IPv6 address, as Node writes addresses. */
function subnetOf(address: string): string {
  const [head = '', tail = ''] = address.replace(/%.*$/, '').split('::');
  const [first, last] = [head, tail].map((part) => (part === '' ? [] : part.split(':'))) as [string[], string[]];
  const missing = address.includes('::') ? Math.max(0, 8 - first.length - last.length) : 0;
  return `${[...first, ...Array<string>(missing).fill('0'), ...last].slice(0, 4).join(':')}::/64`;
}
