import { existsSync } from 'node:fs';
import type { Diagnosis } from '../contract/diagnosis.ts';
import type { Netns } from '../contract/netns.ts';
import { ownPrefix, removeOrphans } from '../lab/scratch-network.ts';
import { FAMILIES } from '../model/catalogue.ts';
import { PinholeError } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Mode } from '../probe/trials.ts';
import type { Subject } from '../review/subject.ts';
import { addressesIn } from './addresses.ts';
import { probeBetween } from './probe-between.ts';
import { RouterCopy, type Sides } from './router-copy.ts';
import { lackingIn, planTries, type Tried, tryResults } from './try.ts';

/** Prefix of the namespaces of copies; orphans of killed runs are found by it. */
const FAMILY = 'phtry';
const WAIT_MS = 3_000;
/** One way of announcing for each protocol and family: enough to see an ALG. */
const ONE_EACH: readonly Mode[] = ['EPRT', 'read', 'INVITE', 'DCC SEND'];

/** Two namespaces of this host that the user names, and addresses to ask instead of the server's own. */
export interface NamedEnds {
  readonly client: Netns;
  readonly server: Netns;
  readonly targets: readonly string[];
}

/** A router that is copied. */
export interface Copied {
  readonly netns: Netns;
  readonly live: Subject;
  readonly helpers: readonly Tried[];
  /** What the copy lacks, like `the tc filters of wan`. */
  readonly lacking: readonly string[];
}

/** Sends real packets through a copy of a router, for each of its helpers that a probe speaks. Needs root. */
export async function tryInCopy(router: Copied, sides: Sides, clock: Clock): Promise<Diagnosis[]> {
  const { services, notes } = planTries(router.helpers);
  if (services.length === 0) return notes;
  await removeOrphans(FAMILY);
  const scope = router.helpers.map((one) => one.scope).find((one) => one !== null) ?? { source: null, destination: null };
  const copy = await RouterCopy.open(router.netns, router.live, { prefix: ownPrefix(FAMILY), sides, scope });
  try {
    const { reports, stopped } = await copy.probe({ services, waitMs: WAIT_MS, clock });
    const isPresent = reports.some(({ trials }) => trials.some(({ alg }) => alg === 'present'));
    const again = { services, modes: ONE_EACH, waitMs: WAIT_MS, clock };
    const others = isPresent && (await copy.withoutPinhole()) ? (await copy.probe(again)).reports : null;
    return [...lackingIn(tryResults(reports, stopped, others), router.lacking), ...notes];
  } finally {
    await copy.close();
  }
}

/** Sends real packets between two namespaces of this host, through whatever is between them. Needs root. */
export async function tryBetween(helpers: readonly Tried[], ends: NamedEnds, clock: Clock): Promise<Diagnosis[]> {
  const { services, notes } = planTries(helpers);
  if (services.length === 0) return notes;
  for (const netns of [ends.client, ends.server])
    if (!existsSync(`/run/netns/${netns}`))
      throw new PinholeError('netns-not-found', `There is no network namespace ${netns} on this host.`);
  const own = await addressesIn(ends.server);
  const listen = own.map(({ address }) => address);
  const first = FAMILIES.flatMap((family) => own.find((one) => one.family === family)?.address ?? []);
  const asked = ends.targets.length > 0 ? ends.targets : first;
  if (asked.length === 0) throw new PinholeError('internal', `The network namespace ${ends.server} has no address to ask.`);
  const reports = await probeBetween({ ...ends, listen }, asked, { services, waitMs: WAIT_MS, clock });
  return [...tryResults(reports, [], null), ...notes];
}
