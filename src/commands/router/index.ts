import type { Command } from 'commander';
import { withClient } from '../options.ts';

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
    (await import('./add.ts')).add(name, explicit(flags)),
  );
  withFields(router.command('set <router>').description('change a router'))
    .option('--name <name>')
    .action(async (name, flags) => (await import('./set.ts')).set(name, explicit(flags)));
  withClient(router.command('list').description('list routers')).action(async (flags) => (await import('./list.ts')).list(flags));
  withClient(router.command('show <router>').description('show a router')).action(async (name, flags) =>
    (await import('./show.ts')).show(name, flags),
  );
  withClient(router.command('rm <router>').description('remove a router and its helpers')).action(async (name, flags) =>
    (await import('./rm.ts')).rm(name, flags),
  );
}

/** commander sets the positive of a `--no-` flag by default; only what was said counts. */
function explicit<T extends { confine?: boolean }>(flags: T): T {
  const said = process.argv.some((argument) => argument === '--confine' || argument === '--no-confine');
  if (said) return flags;
  const { confine: _, ...rest } = flags;
  return rest as T;
}
