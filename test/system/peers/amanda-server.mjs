// Plays a host that Amanda backs up, which is the server of the connection: it answers with the ports of its three streams.
import { bindUdp, listenTcp, parameters, print } from './lib.mjs';

for (const port of [50081, 50082, 50083]) await listenTcp(port, parameters.address, (socket) => socket.end(`stream ${port}`));
const reply = 'Amanda 2.6 REP HANDLE 000-00000001 SEQ 1\nCONNECT DATA 50081 MESG 50082 INDEX 50083\nOPTIONS features=;\n';
const udp = await bindUdp(10080, parameters.address, (_message, from) => udp.send(reply, from.port, from.address));
print('listening');
