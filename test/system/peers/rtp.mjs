// Media of a call: sends packets to an address, and counts received packets.
import { bindUdp, finish, parameters } from './lib.mjs';

const { own, port, to, ms = 1500 } = parameters;
let received = 0;
const socket = await bindUdp(port, own, () => {
  received++;
});
// RTP, version 2, PCMU; 160 samples of silence.
const packet = Buffer.concat([Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 1]), Buffer.alloc(160, 0xff)]);
const timer = to && setInterval(() => socket.send(packet, to.port, to.address), 20);
setTimeout(() => {
  clearInterval(timer);
  finish({ received });
}, ms);
