// Requests a backup, then connects to the ports in the reply.
import { bindUdp, finish, finishWithin, parameters, tryConnect } from './lib.mjs';

finishWithin(10_000, { replied: false, streams: [] });
const udp = await bindUdp(0, parameters.own, async (message) => {
  const [, data, mesg, index] = /CONNECT DATA (\d+) MESG (\d+) INDEX (\d+)/.exec(message.toString()) ?? [];
  const sockets = await Promise.all([data, mesg, index].map((port) => tryConnect(parameters.server, Number(port))));
  const streams = await Promise.all(
    sockets.map((socket) => socket && new Promise((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())))),
  );
  finish({ replied: true, streams });
});
udp.send('Amanda 2.6 REQ HANDLE 000-00000001 SEQ 1\nSERVICE sendbackup\n', 10080, parameters.server);
