import { Mismatch } from './mismatch.ts';
import { text } from './scalars.ts';

/**
 * A router's network namespace: a file name under /run/netns, or {@link HOST_NETNS}. A file name cannot contain a slash, so that
 * no namespace can have the same name as the host's own.
 */
export type Netns = string;
/** The host's own network namespace. */
export const HOST_NETNS: Netns = '/';

/** The bound is NAME_MAX (linux/limits.h). */
export const NETNS = text({
  max: 255,
  min: 1,
  pattern: /^(?:\/|[A-Za-z0-9_.@:+-]+)$/,
  what: "the name of a network namespace (letters, digits and _.@:+-), or '/' for the host's own",
  canonical: notAFolder('the name of a network namespace'),
});

/** Returns a check for names that become part of a path: it refuses `.` and `..`. @param what what the name is, for the message */
export function notAFolder(what: string): (name: string) => string {
  return (name) => {
    if (name === '.' || name === '..') throw new Mismatch(`${what}, not of a folder`);
    return name;
  };
}

/** A pattern of namespaces in the configuration, in which `*` stands for any characters. */
export const NETNS_PATTERN = text({ max: 255, min: 1, pattern: /^[A-Za-z0-9_.@:+*-]+$/, what: "a name of namespaces like 'qrouter-*'" });

/**
 * Returns a function that tells whether a namespace matches one of the patterns. `*` stands for any characters; no pattern matches
 * the host's own namespace, about which `hostNamespace` decides.
 */
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

/** Returns a namespace's name for people: `-` for null, `(host)` for the host's own. */
export function showNetns(netns: Netns | null): string {
  if (netns === null) return '-';
  return netns === HOST_NETNS ? '(host)' : netns;
}
