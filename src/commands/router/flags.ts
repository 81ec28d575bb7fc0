import type { ClientFlags } from '../../client/client.ts';
import { DEFAULT_CONFINEMENT } from '../../contract/confinement.ts';
import { HOST_NETNS } from '../../contract/netns.ts';
import { PORT } from '../../contract/primitives.ts';
import { listeningPorts } from '../../inspect/listening-ports.ts';
import { InvalidInput } from '../../model/errors.ts';

/** The flags of `router add` and `router set`. */
export interface RouterFlags extends ClientFlags {
  readonly netns?: string;
  readonly hostNetns?: boolean;
  readonly host?: string;
  readonly project?: string;
  readonly confine?: boolean;
  /** Ports that confinement blocks besides the usual ones: each like `8081` or `8081,9000`. */
  readonly blockPort?: readonly string[];
  /** Also blocks the ports from 1024 on which a program of this machine listens now. */
  readonly blockListening?: boolean;
  /** Each like `site=berlin`, or `site-` to remove it. */
  readonly label?: readonly string[];
}

/**
 * The fields of an API request for the flags that were given, and no others.
 * @throws InvalidInput for flags that exclude each other
 */
export function routerFields(flags: RouterFlags): object {
  if (flags.netns !== undefined && flags.hostNetns) throw new InvalidInput('netns', '--netns and --host-netns exclude each other.');
  const netns = flags.hostNetns ? HOST_NETNS : flags.netns;
  return {
    ...(netns === undefined ? {} : { netns }),
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.project === undefined ? {} : { project_id: flags.project }),
    ...confineField(flags),
    ...(flags.label === undefined ? {} : { labels: Object.fromEntries(flags.label.map(parseLabel)) }),
  };
}

/** @throws InvalidInput for ports that are none, or beside `--no-confine` */
function confineField({ confine, blockPort = [], blockListening = false }: RouterFlags): { confine?: boolean | object } {
  if (blockPort.length === 0 && !blockListening) return confine === undefined ? {} : { confine };
  if (confine === false) throw new InvalidInput('confine', '--no-confine blocks no ports: leave --block-port and --block-listening out.');
  const asked = blockPort.flatMap((text) => text.split(',')).map(parsePort);
  const ports = [...DEFAULT_CONFINEMENT.blockedPorts, ...asked, ...(blockListening ? listeningPorts() : [])];
  return { confine: { blocked_ports: [...new Set(ports)].sort((a, b) => a - b) } };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= PORT.min && port <= PORT.max) return port;
  throw new InvalidInput('block-port', `--block-port: '${text}' is no port: give one or more like 8081,9000.`);
}

/** The key of a label with its value; null removes the label. */
function parseLabel(label: string): [string, string | null] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(label) ?? [];
  if (key !== undefined && value !== undefined) return [key, value];
  if (label.endsWith('-')) return [label.slice(0, -1), null];
  throw new InvalidInput('label', `--label: '${label}' is neither a label like site=berlin nor, to remove it, like site-.`);
}
