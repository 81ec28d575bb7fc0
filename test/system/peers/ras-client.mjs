// Asks for a gatekeeper, then sends to the address in the confirmation.
import { bindUdp, finish, finishWithin, gatekeeperRequest, parameters } from './lib.mjs';

let confirmed = false;
let timer;
const socket = await bindUdp(42719, parameters.own, (message) => {
  if (confirmed) return finish({ confirmed, echoed: message.toString() });
  confirmed = true;
  timer = setInterval(() => socket.send('hello', 41719, parameters.server), 200);
});
finishWithin(3000, { confirmed: false, echoed: null });
setTimeout(() => {
  clearInterval(timer);
  finish({ confirmed, echoed: null });
}, 2500);
socket.send(gatekeeperRequest(parameters.own, 42719), 1719, parameters.server);
