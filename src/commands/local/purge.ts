import { netnsMatcher, showNetns } from '../../contract/netns.ts';
import { LinuxKernel } from '../../kernel/linux/linux-kernel.ts';
import { Denied, Reported } from '../../model/errors.ts';
import { STAMP_PREFIX } from '../../model/table.ts';
import { revoked } from '../../plan/diff.ts';
import { silentLogger } from '../../ports/logger.ts';
import { print, printJson } from '../../terminal/table.ts';

/**
 * Removes every Pinhole table from this host, or from the namespaces that match a pattern, and the helpers that the tables assigned
 * from live connections. Needs no server.
 * @throws Denied unless root; Reported `netns-locked` if a table could not be removed
 */
export async function purge(flags: { json?: boolean; keepLive?: boolean; netns?: string }): Promise<void> {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it changes nftables in every network namespace. Try again with sudo.');
  const kernel = new LinuxKernel({
    allowed: flags.netns === undefined ? () => true : netnsMatcher([flags.netns], false),
    logger: silentLogger,
  });
  try {
    const owned = (await kernel.namespaces()).filter(({ comment }) => comment?.startsWith(STAMP_PREFIX));
    const observed = await kernel.observe(owned.map(({ netns }) => ({ netns, known: null })));
    const results = await kernel.apply(owned.map(({ netns }) => ({ netns, table: null })));
    for (const [index, { netns }] of owned.entries()) {
      const seen = observed[index];
      const table = seen?.ok && !seen.value.unchanged ? seen.value.table : null;
      if (!flags.keepLive && results[index]?.ok) await kernel.changeLive(netns, { action: 'strip', selectors: revoked(null, table) });
    }
    const outcome = owned.map(({ netns }, index) => ({ netns, result: results[index] }));
    if (flags.json)
      printJson(
        outcome.map(({ netns, result }) => ({
          netns,
          purged: result?.ok ?? false,
          error: result?.ok ? null : (result?.error.message ?? null),
        })),
      );
    else
      for (const { netns, result } of outcome)
        print(`${showNetns(netns)}: ${result?.ok ? 'table inet pinhole removed' : result?.error.message}\n`);
    if (!flags.json && outcome.length === 0) print('no Pinhole table found\n');
    const failed = outcome.filter(({ result }) => !result?.ok).length;
    if (failed > 0)
      throw new Reported(
        'netns-locked',
        `${failed} of ${outcome.length} tables are still there. Stop Pinhole first: otherwise it writes them again.`,
      );
  } finally {
    await kernel.close();
  }
}
