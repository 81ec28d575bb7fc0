// Announces a port in another protocol's words, as a hostile page or an injected line makes a program do, and tells whether the port is
// reached: by the server (irc, sip-contact, sip-media), or on the server by this client (ftp-227).
import { addressBytes, bindUdp, finish, finishWithin, listenTcp, parameters, tryConnect } from './lib.mjs';

const { kind, own, server, port } = parameters;
finishWithin(6000, { reached: false });
const host = own.includes(':') ? `[${own}]` : own;
const family = own.includes(':') ? 'IP6' : 'IP4';

const attacks = {
  /** DCC: anyone may connect to the port. */
  async irc() {
    const number = addressBytes(own).readUInt32BE(0);
    await announceByTcp(6667, `PRIVMSG bob :\u0001DCC SEND file.txt ${number} ${port} 12\u0001\r\n`);
  },
  /** A registration tells where calls are to come in: over the transport of the registration, TCP here. */
  async 'sip-contact'() {
    await announceByTcp(5060, register());
  },
  /** Media of a call. */
  async 'sip-media'() {
    await bindUdp(port, own, () => finish({ reached: true }));
    const socket = await bindUdp(5061, own);
    socket.send(invite(), 5060, server);
  },
  /** The server's answer to PASV opens a port of the server to the client. */
  async 'ftp-227'() {
    const socket = await tryConnect(server, 2121);
    if (!socket) finish({ error: 'no control connection' });
    let text = '';
    socket.on('data', async (chunk) => {
      text += chunk;
      if (text.endsWith('ready\r\n')) socket.write(`PASV ${port}\r\n`);
      if (/^227 /m.test(text)) finish({ reached: (await tryConnect(server, port)) !== null });
    });
  },
};
await attacks[kind]();

async function announceByTcp(control, text) {
  await listenTcp(port, own, (socket) => socket.destroy());
  const socket = await tryConnect(server, control);
  if (!socket) finish({ error: 'no control connection' });
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
    const [, result] = /RESULT (.*)\n/.exec(answer) ?? [];
    if (result) finish(JSON.parse(result));
  });
  socket.write(text);
}

function register() {
  return sip('REGISTER', [`Contact: <sip:user@${host}:${port};transport=tcp>`, 'Expires: 600'], '', 'TCP');
}

function invite() {
  const body = `v=0\r\no=- 1 1 IN ${family} ${own}\r\ns=-\r\nc=IN ${family} ${own}\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\n`;
  return sip('INVITE', [`Contact: <sip:user@${host}:5061>`, 'Content-Type: application/sdp'], body, 'UDP');
}

function sip(method, headers, body, transport) {
  const to = server.includes(':') ? `[${server}]` : server;
  return [
    `${method} sip:${to} SIP/2.0`,
    `Via: SIP/2.0/${transport} ${host}:${transport === 'TCP' ? 5060 : 5061};branch=z9hG4bK1`,
    'Max-Forwards: 70',
    `From: <sip:user@${to}>;tag=1`,
    `To: <sip:user@${to}>`,
    'Call-ID: 1',
    `CSeq: 1 ${method}`,
    ...headers,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
}
