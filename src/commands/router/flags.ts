import type { ClientFlags } from '../../client/client.ts';
import { HOST_NETNS } from '../../contract/netns.ts';
import { InvalidInput } from '../../model/errors.ts';

/** The flags of `router add` and `router set`. */
export interface RouterFlags extends ClientFlags {
  readonly netns?: string;
  readonly hostNetns?: boolean;
  readonly host?: string;
  readonly project?: string;
  readonly confine?: boolean;
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
    ...(flags.confine === undefined ? {} : { confine: flags.confine }),
    ...(flags.label === undefined ? {} : { labels: Object.fromEntries(flags.label.map(parseLabel)) }),
  };
}

/** The key of a label with its value; null removes the label. */
function parseLabel(label: string): [string, string | null] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(label) ?? [];
  if (key !== undefined && value !== undefined) return [key, value];
  if (label.endsWith('-')) return [label.slice(0, -1), null];
  throw new InvalidInput('label', `--label: '${label}' is neither a label like site=berlin nor, to remove it, like site-.`);
}
