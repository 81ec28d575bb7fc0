// The server's end of the GRE tunnel. nf_nat_pptp replaces the client's call id by the source port of the
// control connection, so this end answers to the peer's port.
import { readFileSync } from 'node:fs';
import { parameters, print } from './lib.mjs';
import { openGre, receiveGre, sendGre } from './raw.mjs';

const gre = openGre();
print('listening');
for (let round = 0; round < 300; round++) {
  for (let packet = receiveGre(gre); packet; packet = receiveGre(gre)) {
    print({ heard: packet });
    sendGre(gre, parameters.to, controlPort());
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}

function controlPort() {
  const rows = readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  const established = rows.find(([, local, , state]) => local?.endsWith(':06BB') && state === '01');
  return Number.parseInt(established?.[2]?.split(':')[1] ?? '0', 16);
}
