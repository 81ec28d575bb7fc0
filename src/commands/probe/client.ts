import { FAMILIES, type Family } from '../../model/catalogue.ts';
import { InvalidInput, PinholeError, Reported } from '../../model/errors.ts';
import { silentLogger } from '../../ports/logger.ts';
import { systemPorts } from '../../ports/ports.ts';
import { type PathReport, probePath } from '../../probe/client.ts';
import { addressesOf } from '../../probe/own-addresses.ts';
import { PROBED, type Probed } from '../../probe/trials.ts';
import { print, printJson } from '../../terminal/table.ts';
import { portOf, rangeOf } from './flags.ts';
import { showPaths, toJson } from './report.ts';

/** The flags of `probe client`. */
export interface ClientFlags {
  readonly only?: string;
  readonly family?: string;
  readonly channelPort: string;
  readonly dataPorts: string;
  readonly wait: string;
  readonly json?: boolean;
}

const MAX_WAIT_S = 10;

/**
 * Asks a reflector what arrives of FTP, TFTP, SIP and IRC, and prints what the path between does to it.
 * @throws InvalidInput for a flag; PinholeError `unreachable` without a reflector; Reported, so that the exit status is 1, if an
 * announced connection did not arrive
 */
export async function client(host: string, flags: ClientFlags): Promise<void> {
  const options = {
    channel: { port: portOf(flags.channelPort, '--channel-port') },
    dataPorts: rangeOf(flags.dataPorts, '--data-ports'),
    only: flags.only === undefined ? PROBED : wordsOf(flags.only, PROBED, '--only'),
    waitMs: waitOf(flags.wait),
  };
  const families = flags.family === undefined ? FAMILIES : wordsOf(flags.family, FAMILIES, '--family');
  const ports = systemPorts(silentLogger);
  const paths: PathReport[] = [];
  const missing: { address: string; error: PinholeError }[] = [];
  for (const address of await addressesOf(host, families)) {
    try {
      paths.push(await probePath({ reflector: address, ...options }, ports));
    } catch (error) {
      if (!(error instanceof PinholeError)) throw error;
      missing.push({ address, error });
    }
  }
  if (paths.length === 0) throw missing[0]?.error ?? new PinholeError('unreachable', `${host} has no address.`);
  if (flags.json) printJson(toJson(paths, missing));
  else print(showPaths(paths, missing));
  const trials = paths.flatMap((path) => path.trials);
  const failed = trials.filter(({ data }) => data !== 'passed').length;
  if (trials.length === 0) throw new Reported('internal', `${host} serves none of ${options.only.join(', ')}`);
  if (failed > 0) throw new Reported('internal', `${failed} of ${trials.length} trials did not get all of their connections through`);
}

function wordsOf<T extends Probed | Family>(text: string, known: readonly T[], flag: string): T[] {
  return text.split(',').map((word) => {
    const found = known.find((one) => one === word);
    if (found === undefined) throw new InvalidInput(flag, `${flag}: '${word}' is none of ${known.join(', ')}`);
    return found;
  });
}

function waitOf(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.5 && seconds <= MAX_WAIT_S))
    throw new InvalidInput('--wait', `--wait: expected 0.5 to ${MAX_WAIT_S} seconds, not '${text}'`);
  return seconds * 1000;
}
