import { HELD, type Held } from '../contract/agent.ts';
import type { Host } from '../contract/host.ts';
import { asLine } from '../contract/primitives.ts';
import type { Agent } from '../store/interface.ts';
import { isAlive } from './presence.ts';

/** Bytes. */
const MAX_TEXT = 128;

const UNKNOWN = {
  state: 'unknown',
  seenAt: null,
  startedAt: null,
  interval: null,
  version: null,
  kernelRelease: null,
  kernel: null,
  verifiedAt: null,
  boundSeconds: null,
  held: null,
  agent: null,
} as const;

/** What is known of a host. `agent` is null for one that only routers name. */
export function hostView(host: string, { agent, routers, now }: { agent: Agent | null; routers: number; now: Date }): Host {
  if (agent === null) return { ...UNKNOWN, host, routers };
  const { seenAt, startedAt, interval, kernel, verifiedAt, boundSeconds, state } = agent;
  return {
    host,
    state: isAlive(agent, now) ? 'alive' : 'silent',
    seenAt,
    startedAt,
    interval,
    version: textIn(state, 'version'),
    kernelRelease: textIn(state, 'kernel', 'kernelRelease'),
    routers,
    kernel,
    verifiedAt,
    boundSeconds,
    held: heldIn(state),
    agent: state,
  };
}

/** The pull that an agent says it holds; null for none, and for what is no such thing. */
export function heldIn(state: unknown): Held | null {
  const held = valueIn(state, 'held');
  try {
    return held === null ? null : HELD.readKnown(held);
  } catch {
    return null;
  }
}

/** A short text in an agent's description of itself, whose form is not fixed. */
function textIn(state: unknown, ...path: string[]): string | null {
  const value = valueIn(state, ...path);
  return typeof value === 'string' ? asLine(value, MAX_TEXT) : null;
}

function valueIn(state: unknown, ...path: string[]): unknown {
  return (
    path.reduce<unknown>(
      (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : null),
      state,
    ) ?? null
  );
}
