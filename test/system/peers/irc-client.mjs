// Two users of a real IRC server. The receiver (role bob) fetches the file that the other (role alice) offers by DCC SEND.
import { createInterface } from 'node:readline';
import { addressBytes, addressText, finish, finishWithin, listenTcp, parameters, print, tryConnect } from './lib.mjs';

const CONTENT = 'sent by DCC\n';
const { role, server, own } = parameters;
finishWithin(15_000, { error: 'no end' });
const socket = await tryConnect(server, 6667, 5000);
if (!socket) finish({ error: 'no IRC connection' });
const say = (line) => socket.write(`${line}\r\n`);
say(`NICK ${role}`);
say(`USER ${role} 0 * :${role}`);
createInterface({ input: socket }).on('line', (line) => {
  if (line.startsWith('PING')) say(line.replace('PING', 'PONG'));
  if (/ 376 | 422 /.test(line)) {
    if (role === 'alice') void offer();
    else print('ready');
  }
  const found = /DCC SEND \S+ (\d+) (\d+) \d+/.exec(line);
  if (role === 'bob' && found) void fetchFile(Number(found[1]), Number(found[2]));
});

async function offer() {
  let sent = false;
  await listenTcp(45678, own, (peer) => {
    sent = true;
    peer.end(CONTENT);
  });
  say(`PRIVMSG bob :\u0001DCC SEND file.txt ${addressBytes(own).readUInt32BE(0)} 45678 ${CONTENT.length}\u0001`);
  setTimeout(() => finish({ sent }), 3000);
}

async function fetchFile(number, port) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  const address = addressText(bytes);
  const peer = await tryConnect(address, port, 2000);
  if (!peer) finish({ address, port, content: null });
  peer.once('data', (chunk) => finish({ address, port, content: chunk.toString() }));
}
