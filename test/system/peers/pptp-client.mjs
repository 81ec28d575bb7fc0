// Opens a control connection of RFC 2637 to a real pptpd, then exchanges GRE packets with the agreed call ids.
import { finish, finishWithin, parameters, tryConnect } from './lib.mjs';
import { openGre, receiveGre, sendGre } from './raw.mjs';

const MAGIC = 0x1a2b3c4d;
const OWN_CALL = 0x1234;
finishWithin(10_000, { error: 'no end' });

function message(type, length) {
  const buffer = Buffer.alloc(length);
  buffer.writeUInt16BE(length, 0);
  buffer.writeUInt16BE(1, 2);
  buffer.writeUInt32BE(MAGIC, 4);
  buffer.writeUInt16BE(type, 8);
  return buffer;
}

const socket = await tryConnect(parameters.server, 1723, 5000);
if (!socket) finish({ error: 'no control connection' });
const gre = openGre();
let pending = Buffer.alloc(0);
socket.on('data', (chunk) => {
  pending = Buffer.concat([pending, chunk]);
  while (pending.length >= 2 && pending.length >= pending.readUInt16BE(0)) {
    const length = pending.readUInt16BE(0);
    onMessage(pending.subarray(0, length));
    pending = pending.subarray(length);
  }
});
const start = message(1, 156);
start.writeUInt16BE(0x0100, 12);
start.writeUInt32BE(3, 16);
start.writeUInt32BE(3, 20);
socket.write(start);

function onMessage(reply) {
  const type = reply.readUInt16BE(8);
  if (type === 2) {
    const call = message(7, 168);
    call.writeUInt16BE(OWN_CALL, 12);
    call.writeUInt32BE(300, 16);
    call.writeUInt32BE(100_000_000, 20);
    call.writeUInt32BE(3, 24);
    call.writeUInt32BE(3, 28);
    call.writeUInt16BE(64, 32);
    socket.write(call);
  }
  if (type === 8) void exchange(reply.readUInt16BE(12));
}

/** Sends to the server's call id and waits for a packet to this end's call id. The other end is pptp-gre.mjs. */
async function exchange(serverCall) {
  let received = null;
  for (let round = 0; round < 15; round++) {
    sendGre(gre, parameters.server, serverCall);
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let packet = receiveGre(gre); packet; packet = receiveGre(gre)) if (packet.source === parameters.server) received = packet;
  }
  finish({ serverCall, ownCall: OWN_CALL, received });
}
