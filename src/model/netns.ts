import { InvalidInput } from './errors.ts';

/**
 * A router's network namespace: a file name under /run/netns, or {@link HOST_NETNS}. A slash cannot stand in a file name,
 * so the host's own namespace has a name that no namespace can take.
 */
export type Netns = string;
export const HOST_NETNS: Netns = '/';

/** NAME_MAX of the file systems that /run is on. */
const MAX_LENGTH = 255;
const NAME = /^[A-Za-z0-9_.@:+-]+$/;

/** @throws InvalidInput unless the value is a namespace name that `ip netns add` makes a single file of, or `/`. */
export function parseNetns(value: unknown, field = 'netns'): Netns {
  if (value === HOST_NETNS) return HOST_NETNS;
  if (typeof value !== 'string' || value.length > MAX_LENGTH || !NAME.test(value) || value === '.' || value === '..') {
    throw new InvalidInput(
      field,
      `Invalid input for ${field}. It is the name of a network namespace (letters, digits and _.@:+-, at most ${MAX_LENGTH}), or '/' for the host's own.`,
    );
  }
  return value;
}

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

export function showNetns(netns: Netns | null): string {
  if (netns === null) return '-';
  return netns === HOST_NETNS ? '(host)' : netns;
}
