import { type Command, Option } from 'commander';
import { withClient, withConfig, withData } from './options.ts';

export function defineToken(program: Command): void {
  const token = program.command('token').description('tokens of the API');
  withClient(token.command('create').description('make a token'))
    .addOption(new Option('--role <role>').choices(['admin', 'member', 'reader']).makeOptionMandatory())
    .option('--project <id>')
    .option('--description <text>')
    .option('--expires <time>', 'like 2030-01-31T12:00:00Z')
    .action(async (flags) => (await import('../commands/token/create.ts')).create(flags));
  withData(token.command('init').description("write this host's first admin token, once (root)")).action(async (flags) =>
    (await import('../commands/token/init.ts')).init(flags),
  );
  withClient(token.command('list').description('list tokens')).action(async (flags) =>
    (await import('../commands/token/list.ts')).list(flags),
  );
  withClient(token.command('revoke <id>').description('revoke a token')).action(async (id, flags) =>
    (await import('../commands/token/revoke.ts')).revoke(id, flags),
  );
}

export function defineAudit(program: Command): void {
  const audit = program.command('audit').description('who did what');
  withClient(audit.command('list').description('newest first'))
    .option('--limit <count>', 'at most so many (default 50)')
    .option('--action <name>', 'like create_conntrack_helper')
    .option('--target <id>', 'of one router, helper or token')
    .option('--project <id>')
    .action(async (flags) => (await import('../commands/audit/list.ts')).list(flags));
  withClient(audit.command('heads').description('print the signed heads of the chains, to be kept elsewhere')).action(async (flags) =>
    (await import('../commands/audit/heads.ts')).heads(flags),
  );
  withClient(audit.command('verify').description('check that nothing of it was changed, removed or put in'))
    .option('--heads <file>', "heads that 'audit heads' printed before")
    .action(async (flags) => (await import('../commands/audit/verify.ts')).verify(flags));
}

export function defineQuota(program: Command): void {
  const quota = program.command('quota').description('how much a project may have');
  withClient(quota.command('show <project>')).action(async (project, flags) =>
    (await import('../commands/quota/show.ts')).show(project, flags),
  );
  withClient(quota.command('set <project>'))
    .option('--routers <limit>', "a number, 'none' or 'default'")
    .option('--helpers <limit>', "a number, 'none' or 'default'")
    .action(async (project, flags) => (await import('../commands/quota/set.ts')).set(project, flags));
}

export function defineBus(program: Command): void {
  const bus = program.command('bus').description('RabbitMQ, where a fleet has one');
  const grant = bus
    .command('grant [hosts...]')
    .description('print the commands that let hosts use the bus, each for itself')
    .option('--servers', "also those for the servers' users");
  withConfig(grant)
    .option('--json', 'print JSON')
    .action(async (hosts, flags) => (await import('../commands/bus/grant.ts')).grant(hosts, flags));
}

export function defineDb(program: Command): void {
  const db = program.command('db').description('the database');
  withData(db.command('migrate').description('bring it to this version'))
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/db/migrate.ts')).migrate(flags));
}
