import { type Command, Option } from 'commander';
import { withClient, withConfig, withData } from './options.ts';

/** Adds `host` and its subcommands. */
export function defineHost(program: Command): void {
  const host = program.command('host').description('the hosts that agents run on');
  withClient(host.command('list').description('list hosts, problems first')).action(async (flags) =>
    (await import('../commands/host/list.ts')).list(flags),
  );
  withClient(host.command('show <host>').description('show a host: its agent, its kernel, its routers')).action(async (name, flags) =>
    (await import('../commands/host/show.ts')).show(name, flags),
  );
  withClient(host.command('forget <host>').description('forget a silent host'))
    .option('--force', 'also if routers name it')
    .action(async (name, flags) => (await import('../commands/host/forget.ts')).forget(name, flags));
  withClient(host.command('confirm <host>').description('let the agent of a host remove what it holds')).action(async (name, flags) =>
    (await import('../commands/host/confirm.ts')).confirm(name, flags),
  );
}

/** Adds `token` and its subcommands. */
export function defineToken(program: Command): void {
  const token = program.command('token').description('manage tokens of the API');
  withClient(token.command('create').description('create a token and print it'))
    .addOption(new Option('--role <role>').choices(['admin', 'member', 'reader', 'viewer', 'auditor']).makeOptionMandatory())
    .option('--project <id>', 'project that the token is for (members and readers need one, viewers and auditors have none)')
    .option('--description <text>')
    .option('--expires <time>', 'when the token expires, like 2030-01-31T12:00:00Z (default: never)')
    .action(async (flags) => (await import('../commands/token/create.ts')).create(flags));
  withData(token.command('init').description("write this host's first admin token, unless there is one (as root)")).action(async (flags) =>
    (await import('../commands/token/init.ts')).init(flags),
  );
  withClient(token.command('list').description('list tokens')).action(async (flags) =>
    (await import('../commands/token/list.ts')).list(flags),
  );
  withClient(token.command('revoke <id>').description('revoke a token')).action(async (id, flags) =>
    (await import('../commands/token/revoke.ts')).revoke(id, flags),
  );
}

/** Adds `audit` and its subcommands. */
export function defineAudit(program: Command): void {
  const audit = program.command('audit').description('read and check the audit log');
  withClient(audit.command('list').description('list entries, newest first'))
    .option('--limit <count>', 'print at most this many (default 50)')
    .option('--action <name>', 'only this action, like create_conntrack_helper')
    .option('--target <id>', 'only entries about this router, helper or token')
    .option('--project <id>', 'only entries of this project')
    .action(async (flags) => (await import('../commands/audit/list.ts')).list(flags));
  withClient(audit.command('heads').description('print the signed heads of the chains, to keep in another place')).action(async (flags) =>
    (await import('../commands/audit/heads.ts')).heads(flags),
  );
  withClient(audit.command('verify').description('check that no entry was changed, removed or inserted'))
    .option('--heads <file>', "file with earlier output of 'audit heads'")
    .action(async (flags) => (await import('../commands/audit/verify.ts')).verify(flags));
}

/** Adds `quota` and its subcommands. */
export function defineQuota(program: Command): void {
  const quota = program.command('quota').description('show and set how much a project may have');
  withClient(quota.command('show <project>').description('show use and limits')).action(async (project, flags) =>
    (await import('../commands/quota/show.ts')).show(project, flags),
  );
  withClient(quota.command('set <project>').description('set limits'))
    .option('--routers <limit>', "a number, 'none' or 'default'")
    .option('--helpers <limit>', "a number, 'none' or 'default'")
    .action(async (project, flags) => (await import('../commands/quota/set.ts')).set(project, flags));
}

/** Adds `bus` and its subcommand. */
export function defineBus(program: Command): void {
  const bus = program.command('bus').description('set up RabbitMQ for a fleet');
  const grant = bus
    .command('grant [hosts...]')
    .description('print the rabbitmqctl command that gives each host access to its own part of the bus')
    .option('--servers', "also for the servers' users");
  withConfig(grant)
    .option('--json', 'print JSON')
    .action(async (hosts, flags) => (await import('../commands/bus/grant.ts')).grant(hosts, flags));
}

/** Adds `db` and its subcommands. */
export function defineDb(program: Command): void {
  const db = program.command('db').description('maintain the database');
  withData(db.command('migrate').description('migrate the database to this version'))
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/db/migrate.ts')).migrate(flags));
  withData(db.command('backup <file>').description('write the database into a file; servers may run'))
    .option('--force', 'replace the file if it exists')
    .option('--json', 'print JSON')
    .action(async (file, flags) => (await import('../commands/db/backup.ts')).backup(file, flags));
  withData(
    db.command('restore <file>').description('replace the database by a backup, and keep the one before it; servers must be stopped'),
  )
    .option('--force', 'also if the backup is of another installation')
    .option('--json', 'print JSON')
    .action(async (file, flags) => (await import('../commands/db/restore.ts')).restore(file, flags));
}
