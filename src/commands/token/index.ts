import { type Command, Option } from 'commander';
import { withClient, withData } from '../options.ts';

export function defineToken(program: Command): void {
  const token = program.command('token').description('tokens of the API');
  withClient(token.command('create').description('make a token'))
    .addOption(new Option('--role <role>').choices(['admin', 'member', 'reader']).makeOptionMandatory())
    .option('--project <id>')
    .option('--description <text>')
    .option('--expires <time>', 'like 2030-01-31T12:00:00Z')
    .action(async (flags) => (await import('./create.ts')).create(flags));
  withData(token.command('init').description("write this host's first admin token, once (root)")).action(async (flags) =>
    (await import('./init.ts')).init(flags),
  );
  withClient(token.command('list').description('list tokens')).action(async (flags) => (await import('./list.ts')).list(flags));
  withClient(token.command('revoke <id>').description('revoke a token')).action(async (id, flags) =>
    (await import('./revoke.ts')).revoke(id, flags),
  );
}
