import type { Family } from '../model/catalogue.ts';
import type { Ports } from '../ports/ports.ts';
import { type ChannelPlace, fromBase64, type Seen, type Service } from './channel.ts';
import { ClientChannel } from './client-channel.ts';
import type { PortRange } from './data-port.ts';
import { type Change, changes } from './differences.ts';
import { type Endpoint, isIpv6 } from './endpoint.ts';
import { addressTowards } from './own-addresses.ts';
import { runTrial, type Told } from './runners.ts';
import { trialId } from './trial-id.ts';
import { type Mode, type Probed, TRIALS, type Trial } from './trials.ts';
import { type Hole, judge, type Verdict } from './verdict.ts';

/** What a client asks for. */
export interface ProbeOptions {
  /** The reflector's address. */
  readonly reflector: string;
  readonly channel: ChannelPlace;
  /** Which protocols to try. */
  readonly only: readonly Probed[];
  /** Which ways of announcing; absent: all. */
  readonly modes?: readonly Mode[];
  /** Milliseconds to wait for each answer. */
  readonly waitMs: number;
  readonly dataPorts: PortRange;
}

/** What one trial found. */
export interface TrialReport extends Verdict {
  readonly trial: Trial;
  readonly family: Family;
  /** Of the control connection. */
  readonly port: number;
  /** The control connection as each end sees it; null: that end has not seen it. */
  readonly client: { readonly own: Endpoint | null; readonly seen: Endpoint | null };
  readonly reflector: { readonly asked: Endpoint; readonly own: Endpoint | null };
  /** What the client announced, as it arrived. */
  readonly announced: Endpoint | null;
  readonly rewritten: { readonly toReflector: readonly Change[]; readonly toClient: readonly Change[] };
  readonly holes: readonly Hole[];
}

/** What a client found between itself and a reflector, in one address family. `seen` is null where no TCP channel shows it. */
export interface PathReport {
  readonly family: Family;
  readonly reflector: string;
  /** The client's address, and the one that the reflector sees: they differ behind NAT. */
  readonly own: string;
  readonly seen: string | null;
  readonly trials: readonly TrialReport[];
}

/**
 * Tries every protocol at every port that the reflector serves, all at once.
 * @throws PinholeError `unreachable` if there is no reflector; `remote-failure` with its reason
 */
export async function probePath(options: ProbeOptions, ports: Ports): Promise<PathReport> {
  const { reflector, only, modes, waitMs } = options;
  const channel = await ClientChannel.open(reflector, options.channel, waitMs, ports);
  try {
    const { token, seen, services } = await channel.hello();
    const family: Family = isIpv6(reflector) ? 'ipv6' : 'ipv4';
    const isWanted = ({ families, mode }: Trial) => families.includes(family) && (modes === undefined || modes.includes(mode));
    const wanted = services
      .filter(({ helper }) => only.includes(helper))
      .flatMap((service) => TRIALS.filter((trial) => isOf(trial, service) && isWanted(trial)).map((trial) => ({ trial, service })));
    const own = channel.own ?? (await addressTowards(reflector));
    const common = { own, reflector, channel, waitMs, dataPorts: options.dataPorts, ports };
    const trials = await Promise.all(
      wanted.map(async ({ trial, service }, index) => {
        const id = trialId(token, index + 1);
        const told = await runTrial({ trial, service, id, ...common });
        return report({ trial, service, family, reflector }, told, await channel.seen(id));
      }),
    );
    return { family, reflector, own, seen: seen?.address ?? null, trials };
  } finally {
    channel.close();
  }
}

function isOf(trial: Trial, service: Service): boolean {
  return trial.helper === service.helper && trial.transport === service.transport;
}

function report(about: { trial: Trial; service: Service; family: Family; reflector: string }, told: Told, seen: Seen): TrialReport {
  const { trial, service, family, reflector } = about;
  const asked = { address: reflector, port: service.port };
  const rewritten = {
    toReflector: seen.from ? changes(told.sent, fromBase64(seen.received)) : [],
    toClient: told.received === '' ? [] : changes(fromBase64(seen.sent), told.received),
  };
  const verdict = judge(trial, {
    broken: told.broken,
    clientTranslated: seen.from !== null && told.own !== null && seen.from.address !== told.own.address,
    reflectorTranslated: seen.at !== null && seen.at.address !== reflector,
    rewritten,
    holes: told.holes,
  });
  return {
    ...verdict,
    trial,
    family,
    port: service.port,
    client: { own: told.own, seen: seen.from },
    reflector: { asked, own: seen.at },
    announced: seen.announced,
    rewritten,
    holes: told.holes,
  };
}
