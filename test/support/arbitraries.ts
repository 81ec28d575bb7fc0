import fc from 'fast-check';
import type { Capabilities } from '../../src/contract/agent.ts';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import type { HelperId, RouterId } from '../../src/contract/primitives.ts';
import { SCOPE, type Scope } from '../../src/contract/scope.ts';
import { capabilityKey, FAMILIES, KERNEL_HELPERS, NEUTRON_DEFAULT_PAIRS } from '../../src/model/catalogue.ts';

/** A kernel that has every helper in each family that any kernel has it for. */
export const ALL_CAPABILITIES: Capabilities = {
  kernelRelease: 'test',
  helpers: KERNEL_HELPERS.flatMap(({ type, protocol, families }) =>
    FAMILIES.filter((family) => families.includes(family)).map((family) => capabilityKey(type, protocol, family)),
  ),
  missingNat: [],
  conntrackEvents: true,
};

let counter = 0;
function uuid(): string {
  counter++;
  return `00000000-0000-4000-8000-${counter.toString(16).padStart(12, '0')}`;
}

export function desiredHelper(helper: string, protocol: string, port: number, rest: Partial<DesiredHelper> = {}): DesiredHelper {
  return { id: uuid() as HelperId, helper, protocol, port, scope: null, expiresAt: null, ...rest };
}

export function desiredRouter(helpers: readonly DesiredHelper[], rest: Partial<DesiredRouter> = {}): DesiredRouter {
  return { id: uuid() as RouterId, name: 'r', netns: 'r', revision: 1, confinement: null, helpers, ...rest };
}

const port = fc.integer({ min: 1, max: 65535 });
const ipv4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }));
const ipv6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }));
export const network = fc.oneof(ipv4, ipv6).map(([address, prefix]) => `${address}/${prefix}`);

/** A scope as a request names its parts. @throws Mismatch */
export function parseScope(parts: { source?: string | null; destination?: string | null; in_interface?: string | null }): Scope | null {
  return SCOPE.read(parts);
}

/** Raw parts of a scope: two networks of one family, an interface. */
export const scopeInput = fc
  .tuple(
    fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6)),
    fc.record({ source: fc.boolean(), destination: fc.boolean() }),
    fc.option(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/)),
  )
  .map(([[source, destination], use, in_interface]) => ({
    source: use.source ? `${source[0]}/${source[1]}` : null,
    destination: use.destination ? `${destination[0]}/${destination[1]}` : null,
    in_interface,
  }));

export function helperWith(scope: fc.Arbitrary<Scope | null>): fc.Arbitrary<DesiredHelper> {
  return fc
    .tuple(fc.constantFrom(...NEUTRON_DEFAULT_PAIRS), fc.oneof(port, fc.constant(null)), scope)
    .map(([pair, other, scoped]) => desiredHelper(pair.helper, pair.protocol, other ?? pair.port, { scope: scoped }));
}

/** Hostile text in place of a name. */
export const hostileText = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    '../../etc/passwd',
    'a/b',
    'a b',
    'a;flush ruleset',
    'a" ; flush ruleset ; "',
    "a'--",
    '$(reboot)',
    '`reboot`',
    'a\nflush ruleset',
    'a\0b',
    'ä',
    '}',
    '{',
    '\u202e',
    'x'.repeat(300),
    '%d',
    '-',
    '--help',
    '__proto__',
    'constructor',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
