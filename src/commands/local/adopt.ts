import { showNetns } from '../../contract/netns.ts';
import type { LinuxKernel } from '../../kernel/linux/linux-kernel.ts';
import { errorToData, PinholeError, Reported, unwrap } from '../../model/errors.ts';
import { formatStamp, parseStamp } from '../../model/table.ts';
import { contentDigest } from '../../plan/render.ts';
import { ownTables } from '../../processes/own-tables.ts';
import { print, printJson } from '../../terminal/table.ts';
import { type HostFlags, type HostTable, NO_INSTALLATION, parseInstallation, withHostTables } from './host-tables.ts';

/**
 * Gives the tables of another installation on this host the stamp of the installation that this host's agent serves, which then treats
 * them as its own. Their content stays, and so do live connections. Needs no server.
 * @throws Denied unless root; InvalidInput; Reported if a table could not be adopted
 */
export async function adopt(installation: string, flags: HostFlags): Promise<void> {
  const from = parseInstallation(installation);
  await withHostTables(flags, async (kernel, tables, config) => {
    const { installation: own } = ownTables(config);
    if (own === null)
      throw new PinholeError(
        'not-served',
        `The agent of this host has not heard from a server: its installation is not known in ${config.dataDir}.`,
      );
    const theirs = tables.filter((table) => (table.installation ?? NO_INSTALLATION) === from && from !== own);
    const outcomes: { readonly netns: string; readonly error: string | null }[] = [];
    for (const table of theirs) outcomes.push({ netns: table.netns, error: await restamp(kernel, table, own) });
    if (flags.json) printJson(outcomes.map(({ netns, error }) => ({ netns, adopted: error === null, error })));
    else for (const { netns, error } of outcomes) print(`${showNetns(netns)}: ${error ?? `now of installation ${own}`}\n`);
    if (!flags.json && theirs.length === 0) print(`no table of installation ${from} found\n`);
    const failed = outcomes.filter(({ error }) => error !== null).length;
    if (failed > 0) throw new Reported('netns-locked', `${failed} of ${outcomes.length} tables are still of installation ${from}.`);
  });
}

/** @returns why the table could not be adopted; null if it was */
async function restamp(kernel: LinuxKernel, { netns, comment }: HostTable, own: string): Promise<string | null> {
  try {
    const [seen] = await kernel.observe([{ netns, known: null }]);
    const observed = seen && unwrap(seen);
    if (!observed || observed.unchanged || observed.table === null) return 'the table is gone';
    if (observed.foreign.length > 0) return `another program has written into the table (${observed.foreign[0]})`;
    const stamp = { installation: own, revision: parseStamp(comment)?.revision ?? 0, sha256: contentDigest(observed.table) };
    const [result] = await kernel.apply([{ netns, table: { ...observed.table, comment: formatStamp(stamp) }, replaces: comment }]);
    return result?.ok ? null : (result?.error.message ?? null);
  } catch (error) {
    return errorToData(error).message;
  }
}
