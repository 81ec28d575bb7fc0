import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, STATUS_VIEW } from '../../client/resources.ts';
import type { Diagnosis } from '../../contract/diagnosis.ts';
import type { Netns } from '../../contract/netns.ts';
import { readNetwork } from '../../diagnosis/network.ts';
import type { Kernel } from '../../kernel/interface.ts';
import { KERNEL_HELPERS } from '../../model/catalogue.ts';
import { InvalidInput, unwrap } from '../../model/errors.ts';
import { revoked } from '../../plan/diff.ts';
import { systemClock } from '../../ports/clock.ts';
import type { Tried } from '../../proof/try.ts';
import { tryBetween, tryInCopy } from '../../proof/try-router.ts';
import { liveText } from '../../review/ruleset/live.ts';

/** The flags of `doctor --try`. */
export interface TryFlags extends ClientFlags {
  readonly netns?: string;
  /** Namespaces of a client and a server with the router between them. */
  readonly client?: string;
  readonly server?: string;
  /** Addresses to ask instead of the server's own, with commas between them. */
  readonly target?: string;
  /** Interfaces of the router that the copy's client and server are behind. */
  readonly inside?: string;
  readonly outside?: string;
}

/**
 * Tries each helper of a router, or of a namespace, with real packets: between two namespaces that the flags name, or in a copy.
 * @param router name or id; undefined: the helpers are those in the kernel
 * @throws InvalidInput for flags that do not go together; PinholeError if nothing can be tried
 */
export async function doctorTry(kernel: Kernel, router: string | undefined, flags: TryFlags): Promise<Diagnosis[]> {
  const { client, server, target, inside, outside } = flags;
  if ((client === undefined) !== (server === undefined))
    throw new InvalidInput('--client', '--client and --server go together: each names a namespace');
  const { netns, helpers } = router === undefined ? await ofKernel(kernel, flags.netns) : await ofServer(flags, router);
  if (client !== undefined && server !== undefined)
    return tryBetween(helpers, { client, server, targets: target?.split(',') ?? [] }, systemClock);
  const rules = await kernel.allRules(netns);
  const live = { name: `netns ${netns}`, kind: 'live', text: textOf(rules), mode: null } as const;
  const { links } = readNetwork(rules.network, rules.settings);
  const lacking = links.flatMap(({ name, filtered, xdp }) => [
    ...(filtered ? [`the tc filters of ${name}`] : []),
    ...(xdp ? [`the XDP program of ${name}`] : []),
  ]);
  const sides = { ...(inside === undefined ? {} : { from: inside }), ...(outside === undefined ? {} : { to: outside }) };
  return tryInCopy({ netns, live, helpers, lacking }, sides, systemClock);
}

function textOf({ nft, listing, iptables, ip6tables }: Awaited<ReturnType<Kernel['allRules']>>): string {
  return liveText({ nft, listing, iptables, ip6tables });
}

async function ofServer(flags: TryFlags, router: string): Promise<{ netns: Netns; helpers: Tried[] }> {
  const client = new Client(flags);
  const { id, netns } = (await findRouter(client, router)).value;
  if (netns === null) throw new InvalidInput('router', `Router ${router} has no network namespace: there is nothing to try.`);
  const { helpers } = await client.read(STATUS_VIEW, 'GET', `/v1/status/${id}`);
  return { netns, helpers: helpers.map(({ helper, protocol, port, scope }) => ({ helper, protocol, port, scope })) };
}

/** The helpers that Pinhole's table in a namespace assigns. Where they are scoped, the scope is not known here. */
async function ofKernel(kernel: Kernel, netns: Netns | undefined): Promise<{ netns: Netns; helpers: Tried[] }> {
  if (netns === undefined) throw new InvalidInput('--try', '--try needs a router, or a namespace with --netns');
  const [observed] = await kernel.observe([{ netns, known: null }]);
  const observation = observed && unwrap(observed);
  const table = observation?.unchanged === false ? observation.table : null;
  const helpers = revoked(null, table).map(({ protocol, port, type }) => {
    const known = KERNEL_HELPERS.find((one) => one.type === type && one.protocol === protocol);
    return { helper: known?.type ?? type, protocol, port, scope: null };
  });
  return { netns, helpers };
}
