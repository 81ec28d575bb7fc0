// Answers broadcasts from its own address, as NetBIOS names and SNMP agents do.
import { bindUdp, parameters, print } from './lib.mjs';

const socket = await bindUdp(parameters.port, '0.0.0.0', (message, from) => socket.send(`answer to ${message}`, from.port, from.address));
print('listening');
