// Obeys what slipstream-client.mjs announces, as it arrives: connects or sends to the announced port.
import { addressBytes, addressText, bindUdp, listenTcp, parameters, print, tryConnect } from './lib.mjs';

const { address: own } = parameters;

await listenTcp(6667, own, (socket) => {
  onText(socket, /DCC SEND \S+ (\d+) (\d+) /, async ([, number, port]) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(Number(number));
    await reachAndTell(socket, addressText(bytes), Number(port));
  });
});
await listenTcp(5060, own, (socket) => {
  onText(socket, /^[\s\S]*\r\n\r\n/, async ([request]) => {
    socket.write(answerTo(request));
    const [, v6, v4, port] = /Contact: <sip:user@(?:\[([^\]]+)\]|([^:]+)):(\d+)/.exec(request);
    await reachAndTell(socket, v6 ?? v4, Number(port));
  });
});
const udp = await bindUdp(5060, own, (chunk) => {
  const [, address, port] = /c=IN IP[46] (\S+)[\s\S]*m=audio (\d+)/.exec(chunk.toString());
  udp.send('media', Number(port), address);
});
await listenTcp(2121, own, (socket) => {
  socket.write('220 ready\r\n');
  onText(socket, /PASV (\d+)\r\n/, async ([, port]) => {
    await listenTcp(Number(port), own, (data) => data.destroy());
    socket.write(`227 Entering Passive Mode (${[...addressBytes(own)].join(',')},${port >> 8},${port & 255})\r\n`);
  });
});
print('listening');

function onText(socket, pattern, obey) {
  let text = '';
  let done = false;
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    text += chunk;
    const found = pattern.exec(text);
    if (!found || done) return;
    done = true;
    void obey(found);
  });
}

async function reachAndTell(socket, address, port) {
  const reached = await tryConnect(address, port);
  reached?.destroy();
  socket.write(`RESULT ${JSON.stringify({ reached: reached !== null, address, port })}\n`);
}

function answerTo(request) {
  const kept = request.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq|Contact|Expires):/.test(line));
  return ['SIP/2.0 200 OK', ...kept, 'Content-Length: 0', '', ''].join('\r\n');
}
