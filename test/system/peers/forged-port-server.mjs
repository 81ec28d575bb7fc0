// Obeys any PORT or EPRT command: connects to its address, and prints whether that worked.
import { listenTcp, parameters, print, tryConnect } from './lib.mjs';

await listenTcp(21, parameters.address, (socket) => {
  socket.on('error', () => undefined);
  socket.write('220 ready\r\n');
  socket.on('data', async (chunk) => {
    if (chunk.toString().startsWith('USER')) return socket.write('230 welcome\r\n');
    const target = announced(chunk.toString());
    if (!target) return;
    const data = await tryConnect(target.address, target.port);
    data?.destroy();
    socket.write(`${JSON.stringify({ target, connected: data !== null })}\n`);
  });
});
print('listening');

function announced(text) {
  const [, address, high, low] = /PORT (\d+,\d+,\d+,\d+),(\d+),(\d+)/.exec(text) ?? [];
  if (address) return { address: address.replaceAll(',', '.'), port: Number(high) * 256 + Number(low) };
  const [, long, port] = /EPRT \|2\|([0-9a-f:]+)\|(\d+)\|/.exec(text) ?? [];
  return long ? { address: long, port: Number(port) } : null;
}
