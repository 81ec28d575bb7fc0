import { Mismatch } from './mismatch.ts';
import { text } from './scalars.ts';

/**
 * A router's network namespace: a file name under /run/netns, or {@link HOST_NETNS}. A slash cannot stand in a file name,
 * so the host's own namespace has a name that no namespace can take.
 */
export type Netns = string;
export const HOST_NETNS: Netns = '/';

/** At most NAME_MAX of the file systems that /run is on. */
export const NETNS = text({
  max: 255,
  min: 1,
  pattern: /^(?:\/|[A-Za-z0-9_.@:+-]+)$/,
  what: "the name of a network namespace (letters, digits and _.@:+-), or '/' for the host's own",
  canonical: notAFolder('the name of a network namespace'),
});

/** For names that become part of a path: `.` and `..` are folders. */
export function notAFolder(what: string): (name: string) => string {
  return (name) => {
    if (name === '.' || name === '..') throw new Mismatch(`${what}, not of a folder`);
    return name;
  };
}

/** What a pattern of namespaces in the configuration may be: a name in which `*` stands for any run of characters. */
export const NETNS_PATTERN = text({ max: 255, min: 1, pattern: /^[A-Za-z0-9_.@:+*-]+$/, what: "a name of namespaces like 'qrouter-*'" });

/** Compiles `qrouter-*` style patterns; `*` stands for any run of characters and never matches the host's own namespace. */
export function netnsMatcher(patterns: readonly string[], hostNamespace: boolean): (netns: Netns) => boolean {
  const sources = patterns.map((pattern) =>
    pattern
      .split('*')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*'),
  );
  const regex = new RegExp(`^(?:${sources.join('|')})$`);
  return (netns) => (netns === HOST_NETNS ? hostNamespace : sources.length > 0 && regex.test(netns));
}

/** A namespace as people are shown it. */
export function showNetns(netns: Netns | null): string {
  if (netns === null) return '-';
  return netns === HOST_NETNS ? '(host)' : netns;
}
