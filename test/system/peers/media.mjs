// Media of a call that goes on: sends packets to an address, and prints the number of received packets at each SIGUSR2.
import { bindUdp, finishWithin, parameters, print } from './lib.mjs';

const { own, port, to, ms } = parameters;
finishWithin(ms, { error: 'not told to end' });
let received = 0;
const socket = await bindUdp(port, own, () => {
  received++;
});
// RTP, version 2, PCMU; 160 samples of silence.
const packet = Buffer.concat([Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 1]), Buffer.alloc(160, 0xff)]);
setInterval(() => socket.send(packet, to.port, to.address), 20);
process.on('SIGUSR2', () => print({ received }));
print('ready');
