import { InvalidInput } from '../../model/errors.ts';
import { silentLogger } from '../../ports/logger.ts';
import { systemPorts } from '../../ports/ports.ts';
import type { Service } from '../../probe/channel.ts';
import { ownAddresses } from '../../probe/own-addresses.ts';
import { Reflector } from '../../probe/reflector.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { print } from '../../terminal/table.ts';
import { portOf, portsOf, rangeOf } from './flags.ts';

/** The flags of `probe reflector`. */
export interface ReflectorFlags {
  readonly address?: string;
  readonly ftp: string;
  readonly tftp: string;
  readonly sip: string;
  readonly irc: string;
  readonly channelPort: string;
  readonly dataPorts: string;
  readonly json?: boolean;
}

/**
 * Answers probe clients until it is stopped. Prints where it listens once it does; with `--json` as one line of JSON.
 * @throws InvalidInput for a flag; PinholeError that names a port at which it cannot listen
 */
export async function reflector(flags: ReflectorFlags): Promise<void> {
  const addresses = flags.address?.split(',') ?? ownAddresses();
  const services = servicesOf(flags);
  if (services.length === 0) throw new InvalidInput('--ftp', 'every protocol is off: there is nothing to answer');
  const channelPort = portOf(flags.channelPort, '--channel-port');
  const options = { addresses, services, channel: { port: channelPort }, dataPorts: rangeOf(flags.dataPorts, '--data-ports') };
  const running = new Reflector(options, systemPorts(silentLogger));
  await running.start();
  if (flags.json) print(`${JSON.stringify({ addresses, channel_port: channelPort, services })}\n`);
  else {
    print(`listening at ${addresses.join(', ')}\n`);
    print(`  ${[`channel tcp/${channelPort}`, ...services.map((one) => `${one.helper} ${one.transport}/${one.port}`)].join(', ')}\n`);
  }
  await untilSignal({ close: async () => running.close() });
}

function servicesOf({ ftp, tftp, sip, irc }: ReflectorFlags): Service[] {
  const sipPorts = portsOf(sip, '--sip');
  return [
    ...portsOf(ftp, '--ftp').map((port): Service => ({ helper: 'ftp', transport: 'tcp', port })),
    ...portsOf(tftp, '--tftp').map((port): Service => ({ helper: 'tftp', transport: 'udp', port })),
    ...sipPorts.map((port): Service => ({ helper: 'sip', transport: 'udp', port })),
    ...sipPorts.map((port): Service => ({ helper: 'sip', transport: 'tcp', port })),
    ...portsOf(irc, '--irc').map((port): Service => ({ helper: 'irc', transport: 'tcp', port })),
  ];
}
