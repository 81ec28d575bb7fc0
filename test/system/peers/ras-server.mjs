// A gatekeeper that confirms requests, and refers endpoints to another RAS port.
import { bindUdp, gatekeeperConfirm, parameters, print } from './lib.mjs';

const ras = await bindUdp(1719, parameters.address, (_message, from) =>
  ras.send(gatekeeperConfirm(parameters.address, 41719), from.port, from.address),
);
const other = await bindUdp(41719, parameters.address, (message, from) => other.send(`echo ${message}`, from.port, from.address));
print('listening');
