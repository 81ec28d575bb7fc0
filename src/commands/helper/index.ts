import type { Command } from 'commander';
import { withClient } from '../options.ts';

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
    (await import('./add.ts')).add(router, name, flags),
  );
  withClient(helper.command('list [router]').description('list helpers')).action(async (router, flags) =>
    (await import('./list.ts')).list(router, flags),
  );
  withClient(helper.command('show <router> <helper>').description('show a helper, by id or name')).action(async (router, name, flags) =>
    (await import('./show.ts')).show(router, name, flags),
  );
  withFields(helper.command('set <router> <helper>').description('change a helper'))
    .option('--helper <name>', 'another helper')
    .action(async (router, name, flags) => (await import('./set.ts')).set(router, name, flags));
  withClient(helper.command('reapply <router> <helper>').description('give a helper to connections that are already there')).action(
    async (router, name, flags) => (await import('./reapply.ts')).reapply(router, name, flags),
  );
  withClient(helper.command('rm <router> <helper>').description('remove a helper, by id or name')).action(async (router, name, flags) =>
    (await import('./rm.ts')).rm(router, name, flags),
  );
}
