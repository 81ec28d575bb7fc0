// Takes whatever comes to a port, and says nothing.
import { listenTcp, parameters, print } from './lib.mjs';

await listenTcp(parameters.port, parameters.address, (socket) => {
  socket.on('error', () => undefined);
  socket.write('220 ready\r\n');
  socket.resume();
});
print('listening');
