import { readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import type { Capabilities } from '../../contract/agent.ts';
import { capabilityKey, FAMILIES, KERNEL_HELPERS } from '../../model/catalogue.ts';
import type { Table } from '../../model/table.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import { encodeReplacement } from './nft-encode.ts';
import type { HostFacts } from './opener.ts';
import type { Scratch } from './served-namespace.ts';

/**
 * Asks this kernel which helpers it has, by making each one's object in a table of a throw-away namespace: the only
 * answer that counts, and on distribution kernels what loads the module. `socket` is open in that namespace.
 */
export function probeCapabilities(
  socket: NetlinkSocket,
  { writer, buffer }: Scratch,
  { conntrackEvents }: Pick<HostFacts, 'conntrackEvents'>,
): Capabilities {
  const helpers = KERNEL_HELPERS.flatMap(({ type, protocol, object }) =>
    FAMILIES.filter((family) => {
      const probe: Table = {
        comment: 'pinhole:probe',
        objects: [{ name: object, type, protocol, family: family === 'ipv4' ? 'ip' : 'ip6' }],
        chains: [],
      };
      return socket.transact(encodeReplacement(probe, writer).bytes, buffer) === null;
    }).map((family) => capabilityKey(type, protocol, family)),
  );
  socket.transact(encodeReplacement(null, writer).bytes, buffer);
  return {
    kernelRelease: release(),
    helpers,
    missingNat: missingNatModules(),
    conntrackEvents,
  };
}

/**
 * NAT modules that are neither loaded nor built in. A built-in one without parameters leaves no trace in /sys/module, so
 * the kernel's own list of built-ins and its symbols are asked too; where nothing can be read, nothing is claimed.
 */
function missingNatModules(): string[] {
  const wanted = [...new Set(KERNEL_HELPERS.flatMap(({ modules }) => modules.nat ?? []))];
  const absent = wanted.filter((name) => !statSync(`/sys/module/${name}`, { throwIfNoEntry: false }));
  if (absent.length === 0) return [];
  const builtin = readText(`/lib/modules/${release()}/modules.builtin`);
  const symbols = builtin === null ? readText('/proc/kallsyms') : null;
  if (builtin === null && symbols === null) return [];
  return absent.filter((name) => (builtin === null ? !natSymbol(name).test(symbols as string) : !builtin.includes(`/${name}.ko`)));
}

/** A NAT helper's initialiser, which a kernel that has it built in lists among its symbols. */
function natSymbol(module: string): RegExp {
  return new RegExp(` nf_nat_(helper_)?${module.replace('nf_nat_', '')}_init$`, 'm');
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
