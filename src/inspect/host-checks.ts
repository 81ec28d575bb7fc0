import { readFileSync } from 'node:fs';
import type { Capabilities } from '../contract/agent.ts';
import type { Diagnosis } from '../contract/diagnosis.ts';
import { capabilityKey, FAMILIES, KERNEL_HELPERS } from '../model/catalogue.ts';

/**
 * Checks what this host's kernel can do for helpers. Reads sysctls of the network namespace of this process.
 * @returns one diagnosis for each check, in a fixed order
 */
export function hostChecks(capabilities: Capabilities): Diagnosis[] {
  return [helpersCheck(capabilities), natCheck(capabilities), eventsCheck(capabilities), automaticCheck(), expectationsCheck()];
}

function helpersCheck({ kernelRelease, helpers }: Capabilities): Diagnosis {
  const known = new Set(helpers);
  const missing = KERNEL_HELPERS.flatMap(({ type, protocol, families }) =>
    FAMILIES.filter((family) => families.includes(family) && !known.has(capabilityKey(type, protocol, family))).map(
      (family) => `${type}/${protocol} ${family}`,
    ),
  );
  const check = `helpers of Linux ${kernelRelease}`;
  if (missing.length === 0) return { check, result: 'ok', detail: 'all helpers of the catalogue' };
  return { check, result: 'note', detail: `missing: ${missing.join(', ')} (modules nf_conntrack_*)` };
}

function natCheck({ missingNat }: Capabilities): Diagnosis {
  if (missingNat.length === 0) return { check: 'NAT of helpers', result: 'ok', detail: 'all modules are loaded' };
  return {
    check: 'NAT of helpers',
    result: 'note',
    detail: `not loaded: ${missingNat.join(', ')}: helpers whose connections are translated need them. Load them with modprobe.`,
  };
}

function eventsCheck({ conntrackEvents }: Capabilities): Diagnosis {
  if (conntrackEvents) return { check: 'conntrack events', result: 'ok', detail: '' };
  return { check: 'conntrack events', result: 'note', detail: "net.netfilter.nf_conntrack_events=0: 'pinhole watch' shows nothing" };
}

function automaticCheck(): Diagnosis {
  const check = 'automatic assignment';
  if (sysctl('nf_conntrack_helper') !== 1)
    return { check, result: 'ok', detail: 'off: connections get only the helpers that rules assign' };
  return {
    check,
    result: 'problem',
    detail: 'net.netfilter.nf_conntrack_helper=1: every connection to the usual port of a helper gets it, from any source. Set it to 0.',
  };
}

function expectationsCheck(): Diagnosis {
  const max = sysctl('nf_conntrack_expect_max');
  return {
    check: 'expectation table',
    result: 'ok',
    detail: max === null ? 'its size is not known' : `at most ${max} at a time, for the whole host`,
  };
}

function sysctl(name: string): number | null {
  try {
    return Number(readFileSync(`/proc/sys/net/netfilter/${name}`, 'utf8'));
  } catch {
    return null;
  }
}
