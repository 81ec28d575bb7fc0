// Broadcasts a request and collects the addresses that answer.
import { bindUdp, finish, finishWithin, parameters } from './lib.mjs';

const socket = await bindUdp(0, '0.0.0.0', (message, from) => finish({ answer: message.toString(), from: from.address }));
socket.setBroadcast(true);
finishWithin(1500, { answer: null, from: null });
socket.send('question', parameters.port, parameters.broadcast);
