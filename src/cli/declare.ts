import type { Command } from 'commander';
import { collect, withClient, withSelector } from './options.ts';

/** Adds `router` and its subcommands. */
export function defineRouter(program: Command): void {
  const router = program.command('router').description('declare and show routers');
  const withFields = (command: Command) =>
    withClient(command)
      .option('--netns <name>', 'its network namespace')
      .option('--host-netns', "the host's own network namespace")
      .option('--host <name>', 'host whose agent serves it')
      .option('--project <id>', 'project that owns it')
      .option('--confine', 'drop related connections with another protocol, to ports below 1024 or of known services, or above a rate')
      .option('--no-confine', 'do not confine related connections')
      .option('--block-port <ports>', 'confine, and drop related connections to these ports too, like 8081,9000', collect)
      .option('--block-listening', 'confine, and drop those to ports on which this machine listens now')
      .option('--label <label>', "a label like site=berlin; 'site-' removes it (may be given several times)", collect);
  withFields(router.command('add <name>').description('declare a router')).action(async (name, flags) =>
    (await import('../commands/router/add.ts')).add(name, explicit(flags)),
  );
  withFields(router.command('set <router>').description('change a router'))
    .option('--name <name>', 'new name')
    .option('--force', 'also move it to a host that is silent or that never reported')
    .action(async (name, flags) => (await import('../commands/router/set.ts')).set(name, explicit(flags)));
  withSelector(withClient(router.command('list').description('list routers'))).action(async (flags) =>
    (await import('../commands/router/list.ts')).list(flags),
  );
  withClient(router.command('show <router>').description('show a router')).action(async (name, flags) =>
    (await import('../commands/router/show.ts')).show(name, flags),
  );
  withClient(router.command('rm <router>').description('remove a router and its helpers')).action(async (name, flags) =>
    (await import('../commands/router/rm.ts')).rm(name, flags),
  );
}

/** The flags without `confine`, unless a flag sets it: for a `--no-` flag, commander sets true by default. */
function explicit<T extends { confine?: boolean }>(flags: T): T {
  const said = process.argv.some((argument) => argument === '--confine' || argument === '--no-confine');
  if (said) return flags;
  const { confine: _, ...rest } = flags;
  return rest as T;
}

/** Adds `helper` and its subcommands. */
export function defineHelper(program: Command): void {
  const helper = program.command('helper').description('declare and show conntrack helpers');
  const withFields = (command: Command) =>
    withClient(command)
      .option('--protocol <protocol>', 'tcp or udp')
      .option('--port <port>', "destination port (default: the helper's usual one)")
      .option('--source <cidr>', 'only connections from this network')
      .option('--destination <cidr>', 'only connections to this network')
      .option('--in-interface <name>', 'only connections that enter at this interface')
      .option('--ttl <time>', 'remove the helper after this time, like 30m')
      .option('--wait [seconds]', 'wait until it is live, and exit with 1 if it is not (default: 5 on a terminal, otherwise no wait)')
      .option('--no-wait', 'do not wait');
  const inAll = 'with -l, in every router with these labels';
  withSelector(withFields(helper.command('add <router> [helper]').description(`declare a helper; ${inAll}`))).action(
    async (router, name, flags) =>
      isOne(name, flags)
        ? (await import('../commands/helper/add.ts')).add(router, name, flags)
        : (await import('../commands/helper/bulk.ts')).addToAll([router, name], flags),
  );
  withClient(helper.command('list [router]').description('list helpers')).action(async (router, flags) =>
    (await import('../commands/helper/list.ts')).list(router, flags),
  );
  withClient(helper.command('show <router> <helper>').description('show a helper, by id or name')).action(async (router, name, flags) =>
    (await import('../commands/helper/show.ts')).show(router, name, flags),
  );
  withSelector(withFields(helper.command('set <router> [helper]').description(`change a helper; ${inAll}`)))
    .option('--helper <name>', 'change to another helper of the catalogue')
    .option('--no-scope', 'apply it to all traffic')
    .option('--no-ttl', 'keep it until it is removed')
    .action(async (router, name, flags) =>
      isOne(name, flags)
        ? (await import('../commands/helper/set.ts')).set(router, name, flags)
        : (await import('../commands/helper/bulk.ts')).setInAll([router, name], flags),
    );
  withClient(helper.command('reapply <router> <helper>').description('give a helper to connections that are already open')).action(
    async (router, name, flags) => (await import('../commands/helper/reapply.ts')).reapply(router, name, flags),
  );
  withSelector(withClient(helper.command('rm <router> [helper]').description(`remove a helper, by id or name; ${inAll}`))).action(
    async (router, name, flags) =>
      isOne(name, flags)
        ? (await import('../commands/helper/rm.ts')).rm(router, name, flags)
        : (await import('../commands/helper/bulk.ts')).removeFromAll([router, name], flags),
  );
}

/** Whether a command is about one helper of one router, and not about all routers with some labels. */
function isOne(helper: string | undefined, { selector }: { selector?: string }): helper is string {
  return helper !== undefined && selector === undefined;
}

/** Adds the commands that compare the declared state with files and with live kernels. */
export function defineManifest(program: Command): void {
  withClient(program.command('apply').description('make the declared state equal to a file'))
    .requiredOption('-f, --file <file>', "YAML file ('-': standard input)")
    .option('--prune', 'also remove routers and helpers that the file does not name')
    .option('--force', 'also move routers to hosts that are silent or that never reported')
    .option('--dry-run', 'only print what would change')
    .action(async (flags) => (await import('../commands/manifest/apply.ts')).apply(flags));
  withClient(
    program
      .command('diff [router]')
      .description('show how the declared state differs from a file, or live kernels from the declared state'),
  )
    .option('-f, --file <file>', "YAML file ('-': standard input); without it, compare with the live kernels")
    .option('--prune', 'also show routers and helpers that the file does not name')
    .option('--force', 'as if routers might move to hosts that are silent or that never reported')
    .action(async (router, flags) => (await import('../commands/manifest/diff.ts')).diff(router, flags));
  withClient(program.command('plan [router]').description('show what a sync would change in the live kernel'))
    .option('--table', 'also print the desired table')
    .action(async (router, flags) => (await import('../commands/manifest/plan.ts')).plan(router, flags));
  withClient(program.command('export').description('print the declared state as a file for apply')).action(async (flags) =>
    (await import('../commands/manifest/export.ts')).exportAll(flags),
  );
}
