import { CALLS_AND_CHATS } from './calls-and-chats.ts';
import { CONNTRACK } from './conntrack.ts';
import { FORWARD_CHAINS } from './forward-chains.ts';
import { HEALTHY } from './healthy.ts';
import { IPTABLES } from './iptables.ts';
import type { DoctorCase } from './lab.ts';
import { OTHER_HOOKS } from './other-hooks.ts';
import { ROUTING } from './routing.ts';

export { HEALTHY };

/** Faults, by what is at fault. */
export const FAULTS: readonly DoctorCase[] = [...FORWARD_CHAINS, ...OTHER_HOOKS, ...IPTABLES, ...ROUTING, ...CONNTRACK, ...CALLS_AND_CHATS];
