// Announces one of its own ports that is not an FTP data port, as a browser does if a hostile page makes it.
import { finish, finishWithin, listenTcp, parameters, tryConnect } from './lib.mjs';

const { own, server, port, hold = 0 } = parameters;
finishWithin(8000 + hold, { error: 'no answer' });
await listenTcp(port, own, (socket) => socket.destroy());
const socket = await tryConnect(server, 21);
if (!socket) finish({ error: 'no control connection' });
// The helper reads commands at the start of a line, and knows where a line starts once it has seen the line before.
socket.on('data', (chunk) => {
  const reply = chunk.toString();
  if (reply.startsWith('220')) socket.write('USER anonymous\r\n');
  else if (reply.startsWith('230')) socket.write(`${announcement()}\r\n`);
  else setTimeout(() => finish(JSON.parse(reply)), hold);
});

function announcement() {
  return own.includes(':') ? `EPRT |2|${own}|${port}|` : `PORT ${own.replaceAll('.', ',')},${port >> 8},${port & 255}`;
}
