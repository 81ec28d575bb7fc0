// Announces a port after the other on one FTP control connection, as fast as the connection takes them, for some milliseconds.
import { finish, finishWithin, parameters, print, tryConnect } from './lib.mjs';

const { own, server, ms } = parameters;
finishWithin(ms, { lines: 'sent' });
const socket = await tryConnect(server, 21);
if (!socket) finish({ error: 'no control connection' });
let port = 1024;
const address = own.replaceAll('.', ',');
function send() {
  for (let room = true; room; port = port === 65_535 ? 1024 : port + 1)
    room = socket.write(`PORT ${address},${port >> 8},${port & 255}\r\n`);
}
socket.on('drain', () => setImmediate(send));
socket.on('data', () => undefined);
send();
print('flooding');
