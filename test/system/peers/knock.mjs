// Begins a connection every few milliseconds: one datagram, each from a port of its own.
import { createSocket } from 'node:dgram';
import { finishWithin, parameters, print } from './lib.mjs';

const { server, port, everyMs, ms } = parameters;
finishWithin(ms, { error: 'not told to end' });
setInterval(() => {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.send('knock', port, server, () => socket.close());
}, everyMs);
print('ready');
