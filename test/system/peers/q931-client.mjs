// Sends a SETUP, listens on the H.245 address in it, and prints whether the server connected.
import { finish, finishWithin, listenTcp, parameters, q931Setup, tryConnect } from './lib.mjs';

finishWithin(8000, { error: 'no answer' });
let accepted = false;
await listenTcp(40245, parameters.own, (socket) => {
  accepted = true;
  socket.destroy();
});
const socket = await tryConnect(parameters.server, 1720);
if (!socket) finish({ error: 'no control connection' });
let answer = '';
socket.on('data', (chunk) => {
  answer += chunk;
});
socket.on('end', () => finish({ ...JSON.parse(answer), accepted }));
socket.write(q931Setup(parameters.own, 40245));
