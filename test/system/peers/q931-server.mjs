// Reads a SETUP and connects to the H.245 address in it.
import { h245Address, listenTcp, parameters, print, tryConnect } from './lib.mjs';

await listenTcp(1720, parameters.address, (socket) => {
  socket.on('error', () => undefined);
  socket.once('data', async (setup) => {
    const target = h245Address(setup, parameters.width);
    const h245 = await tryConnect(target.address, target.port);
    h245?.destroy();
    socket.end(JSON.stringify({ target, connected: h245 !== null }));
  });
});
print('listening');
