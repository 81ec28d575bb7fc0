import type { Command } from 'commander';
import { withClient } from './options.ts';

export function defineRouter(program: Command): void {
  const router = program.command('router').description('routers');
  const withFields = (command: Command) =>
    withClient(command)
      .option('--netns <name>', 'its network namespace')
      .option('--host-netns', "the host's own network namespace")
      .option('--host <name>', 'host that it is on')
      .option('--project <id>', 'project that it belongs to')
      .option('--confine', 'hold related connections to their data protocol, to ports from 1024 up, off known services, under a rate')
      .option('--no-confine', 'do not');
  withFields(router.command('add <name>').description('declare a router')).action(async (name, flags) =>
    (await import('../commands/router/add.ts')).add(name, explicit(flags)),
  );
  withFields(router.command('set <router>').description('change a router'))
    .option('--name <name>')
    .action(async (name, flags) => (await import('../commands/router/set.ts')).set(name, explicit(flags)));
  withClient(router.command('list').description('list routers')).action(async (flags) =>
    (await import('../commands/router/list.ts')).list(flags),
  );
  withClient(router.command('show <router>').description('show a router')).action(async (name, flags) =>
    (await import('../commands/router/show.ts')).show(name, flags),
  );
  withClient(router.command('rm <router>').description('remove a router and its helpers')).action(async (name, flags) =>
    (await import('../commands/router/rm.ts')).rm(name, flags),
  );
}

/** commander sets the positive of a `--no-` flag by default; only what was said counts. */
function explicit<T extends { confine?: boolean }>(flags: T): T {
  const said = process.argv.some((argument) => argument === '--confine' || argument === '--no-confine');
  if (said) return flags;
  const { confine: _, ...rest } = flags;
  return rest as T;
}

export function defineHelper(program: Command): void {
  const helper = program.command('helper').description('conntrack helpers');
  const withFields = (command: Command) =>
    withClient(command)
      .option('--protocol <protocol>', 'tcp or udp')
      .option('--port <port>', "destination port (default: the helper's usual one)")
      .option('--source <cidr>', 'only connections from here')
      .option('--destination <cidr>', 'only connections to there')
      .option('--in-interface <name>', 'only connections that come in there')
      .option('--ttl <time>', 'for a time only, like 30m');
  withFields(helper.command('add <router> <helper>').description('declare a helper')).action(async (router, name, flags) =>
    (await import('../commands/helper/add.ts')).add(router, name, flags),
  );
  withClient(helper.command('list [router]').description('list helpers')).action(async (router, flags) =>
    (await import('../commands/helper/list.ts')).list(router, flags),
  );
  withClient(helper.command('show <router> <helper>').description('show a helper, by id or name')).action(async (router, name, flags) =>
    (await import('../commands/helper/show.ts')).show(router, name, flags),
  );
  withFields(helper.command('set <router> <helper>').description('change a helper'))
    .option('--helper <name>', 'another helper')
    .action(async (router, name, flags) => (await import('../commands/helper/set.ts')).set(router, name, flags));
  withClient(helper.command('reapply <router> <helper>').description('give a helper to connections that are already there')).action(
    async (router, name, flags) => (await import('../commands/helper/reapply.ts')).reapply(router, name, flags),
  );
  withClient(helper.command('rm <router> <helper>').description('remove a helper, by id or name')).action(async (router, name, flags) =>
    (await import('../commands/helper/rm.ts')).rm(router, name, flags),
  );
}

/** Commands that compare declared state with files and with live kernels. */
export function defineManifest(program: Command): void {
  withClient(program.command('apply').description('make the declared state what a file says'))
    .requiredOption('-f, --file <file>', "YAML file ('-': standard input)")
    .option('--prune', 'remove what the file does not name')
    .option('--dry-run', 'only say what would change')
    .action(async (flags) => (await import('../commands/manifest/apply.ts')).apply(flags));
  withClient(program.command('diff [router]').description('say how the declared state differs from a file, or live kernels from it'))
    .option('-f, --file <file>', "YAML file ('-': standard input); without it, the live kernels")
    .option('--prune', 'count what the file does not name')
    .action(async (router, flags) => (await import('../commands/manifest/diff.ts')).diff(router, flags));
  withClient(program.command('plan [router]').description('say what a sync would change in the live kernel'))
    .option('--table', 'print the desired table too')
    .action(async (router, flags) => (await import('../commands/manifest/plan.ts')).plan(router, flags));
  withClient(program.command('export').description('write the declared state as a file for apply')).action(async (flags) =>
    (await import('../commands/manifest/export.ts')).exportAll(flags),
  );
}
