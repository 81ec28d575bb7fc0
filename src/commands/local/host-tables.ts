import { type Config, type ConfigFlags, loadConfig } from '../../config/config.ts';
import { type Netns, netnsMatcher } from '../../contract/netns.ts';
import { INSTALLATION } from '../../contract/primitives.ts';
import { LinuxKernel } from '../../kernel/linux/linux-kernel.ts';
import { Denied, InvalidInput } from '../../model/errors.ts';
import { installationOf, isStamp } from '../../model/table.ts';
import { silentLogger } from '../../ports/logger.ts';

/** Flags of the commands that change tables on this host without a server. */
export interface HostFlags extends ConfigFlags {
  readonly netns?: string;
  readonly json?: boolean;
}

/** A table of Pinhole's on this host, of whichever installation. */
export interface HostTable {
  readonly netns: Netns;
  readonly comment: string;
  /** Null for a stamp that names none: of Pinhole 0.1. */
  readonly installation: string | null;
}

/** Stands on the command line for tables that name no installation. */
export const NO_INSTALLATION = 'none';

/** Reads the id of an installation, or `none`. @throws InvalidInput */
export function parseInstallation(text: string): string {
  if (text === NO_INSTALLATION) return text;
  try {
    return INSTALLATION.read(text);
  } catch {
    throw new InvalidInput(
      'installation',
      `'${text.slice(0, 40)}' is no installation: it is twelve digits in hex, like 3f9c2a71b0de, or 'none'.`,
    );
  }
}

/**
 * Runs `work` with this host's kernel, the configuration, and the tables of Pinhole in the namespaces that `--netns` names.
 * @throws Denied unless root; what `work` throws
 */
export async function withHostTables<T>(
  flags: HostFlags,
  work: (kernel: LinuxKernel, tables: readonly HostTable[], config: Config) => Promise<T>,
): Promise<T> {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it changes nftables in every network namespace. Try again with sudo.');
  const config = loadConfig(flags, process.env);
  const allowed = flags.netns === undefined ? () => true : netnsMatcher([flags.netns], false);
  const kernel = new LinuxKernel({ allowed, logger: silentLogger });
  try {
    const found = (await kernel.namespaces()).flatMap(({ netns, comment }): HostTable[] =>
      comment !== null && isStamp(comment) ? [{ netns, comment, installation: installationOf(comment) }] : [],
    );
    return await work(kernel, found, config);
  } finally {
    await kernel.close();
  }
}
