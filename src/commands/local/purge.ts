import { showNetns } from '../../contract/netns.ts';
import type { LinuxKernel } from '../../kernel/linux/linux-kernel.ts';
import { Reported, type Result } from '../../model/errors.ts';
import { revocations, revoked } from '../../plan/diff.ts';
import { type OwnTables, ownTables } from '../../processes/own-tables.ts';
import { print, printJson } from '../../terminal/table.ts';
import { type HostFlags, type HostTable, NO_INSTALLATION, parseInstallation, withHostTables } from './host-tables.ts';

type Flags = HostFlags & { readonly keepLive?: boolean; readonly installation?: readonly string[] };

/** What became of one table; `result` is null for one that was left alone. */
interface Outcome extends HostTable {
  readonly result: Result<unknown> | null;
}

/**
 * Removes Pinhole's tables from this host, or from the namespaces that match a pattern, and the helpers that the tables assigned from live
 * connections. Needs no server. Removes those of the installation that this host's agent serves, or of the installations that are named,
 * and leaves all others alone.
 * @throws Denied unless root; InvalidInput; Reported `netns-locked` if a table could not be removed
 */
export async function purge(flags: Flags): Promise<void> {
  const named = flags.installation?.map(parseInstallation) ?? null;
  await withHostTables(flags, async (kernel, tables, config) => {
    const isChosen = named ? isNamed(named) : isOwn(ownTables(config));
    const chosen = tables.filter(isChosen);
    const results = await remove(kernel, chosen, flags.keepLive === true);
    const outcomes = tables.map((table): Outcome => ({ ...table, result: results[chosen.indexOf(table)] ?? null }));
    if (flags.json) printJson(outcomes.map(toJson));
    else for (const outcome of outcomes) print(`${showNetns(outcome.netns)}: ${describe(outcome)}\n`);
    if (!flags.json && tables.length === 0) print('no Pinhole table found\n');
    const failed = results.filter(({ ok }) => !ok).length;
    if (failed > 0)
      throw new Reported(
        'netns-locked',
        `${failed} of ${chosen.length} tables are still there. Stop Pinhole first: otherwise it writes them again.`,
      );
  });
}

function isNamed(named: readonly string[]): (table: HostTable) => boolean {
  return ({ installation }) => named.includes(installation ?? NO_INSTALLATION);
}

function isOwn({ installation: own, namespaces }: OwnTables): (table: HostTable) => boolean {
  return ({ netns, installation }) => (installation === null ? namespaces.has(netns) : installation === own);
}

async function remove(kernel: LinuxKernel, tables: readonly HostTable[], keepLive: boolean): Promise<Result<unknown>[]> {
  const observed = await kernel.observe(tables.map(({ netns }) => ({ netns, known: null })));
  const results = await kernel.apply(tables.map(({ netns, comment }) => ({ netns, table: null, replaces: comment })));
  for (const [index, { netns }] of tables.entries()) {
    const seen = observed[index];
    const table = seen?.ok && !seen.value.unchanged ? seen.value.table : null;
    if (!keepLive && results[index]?.ok)
      await kernel.changeLive(netns, { action: 'strip', selectors: revocations(revoked(null, table), null) });
  }
  return results;
}

function describe({ installation, result }: Outcome): string {
  if (result) return result.ok ? 'table inet pinhole removed' : result.error.message;
  const whose = installation === null ? 'names no installation' : `belongs to installation ${installation}`;
  return `table inet pinhole ${whose}; left alone (--installation ${installation ?? NO_INSTALLATION} removes it)`;
}

function toJson(outcome: Outcome) {
  const { netns, installation, result } = outcome;
  return { netns, installation, purged: result?.ok ?? false, error: result?.ok ? null : describe(outcome) };
}
