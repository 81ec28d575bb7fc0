import { Command, CommanderError, Option } from 'commander';
import { ERROR_CODES, errorToData, PinholeError, Reported } from './model/errors.ts';
import { VERSION } from './version.ts';

/** The command line: what there is, and which file does it. Each is loaded when it is called, so that starting costs little. */
function createProgram(): Command {
  const program = new Command('pinhole')
    .description('Hands out conntrack helpers (ALGs) on Linux routers')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .configureOutput({ outputError: (text, write) => write(`pinhole: ${text.replace(/^error: /, '')}`) });
  daemons(program);
  routers(program);
  helpers(program);
  manifests(program);
  inspection(program);
  tokens(program);
  administration(program);
  return program;
}

function daemons(program: Command): void {
  const daemon = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('--config <file>', 'configuration (default /etc/pinhole/pinhole.yaml)')
      .option('--data-dir <dir>', 'where data is kept (default /var/lib/pinhole)')
      .option('--listen <addr:port>', 'address of the API (default 127.0.0.1:9797)');
  const serving = (command: Command) => command.option('--insecure', "let 'identity.mode: none' listen on loopback");
  serving(daemon('up', 'run server, agent and kernel process on this host')).action(async (flags) =>
    (await import('./commands/daemons.ts')).up(flags),
  );
  serving(daemon('server', 'run the server alone')).action(async (flags) => (await import('./commands/daemons.ts')).server(flags));
  daemon('agent', 'run the agent of this host (as root: with its kernel process)')
    .option('--neutron', "serve the routers of OpenStack Neutron's L3 agent on this host, in place of its conntrack_helper extension")
    .option('--neutron-conf <file>', 'a neutron.conf that says how to reach RabbitMQ, and what this host is called')
    .action(async (flags) => (await import('./commands/daemons.ts')).agent(flags));
  program
    .command('kernel-process [options]', { hidden: true })
    .option('--config <file>')
    .option('--neutron')
    .action(async (options, flags) => (await import('./commands/daemons.ts')).kernelProcess(options, flags));
}

/** Flags of every command that talks to a server. */
function client(command: Command): Command {
  return command
    .option('--url <url>', 'server (default $PINHOLE_URL, or the one on this host)')
    .option('--token <token>', 'token (default $PINHOLE_TOKEN, or the admin token on this host)')
    .option('--json', 'print JSON');
}

function routers(program: Command): void {
  const router = program.command('router').description('routers');
  const placement = (command: Command) =>
    client(command)
      .option('--netns <name>', 'its network namespace')
      .option('--host-netns', "the host's own network namespace")
      .option('--host <name>', 'host that it is on')
      .option('--project <id>', 'project that it belongs to')
      .option('--confine', 'hold related connections to their data protocol, to ports from 1024 up, off known services, under a rate')
      .option('--no-confine', 'do not');
  placement(router.command('add <name>').description('declare a router')).action(async (name, flags) =>
    (await import('./commands/router.ts')).add(name, explicit(flags)),
  );
  placement(router.command('set <router>').description('change a router'))
    .option('--name <name>')
    .action(async (name, flags) => (await import('./commands/router.ts')).set(name, explicit(flags)));
  client(router.command('list').description('list routers')).action(async (flags) => (await import('./commands/router.ts')).list(flags));
  client(router.command('show <router>').description('show a router')).action(async (name, flags) =>
    (await import('./commands/router.ts')).showOne(name, flags),
  );
  client(router.command('rm <router>').description('remove a router and its helpers')).action(async (name, flags) =>
    (await import('./commands/router.ts')).remove(name, flags),
  );
}

/** commander sets the positive of a `--no-` flag by default; only what was said counts. */
function explicit<T extends { confine?: boolean }>(flags: T): T {
  const said = process.argv.some((argument) => argument === '--confine' || argument === '--no-confine');
  if (said) return flags;
  const { confine: _, ...rest } = flags;
  return rest as T;
}

function helpers(program: Command): void {
  const helper = program.command('helper').description('conntrack helpers');
  const scope = (command: Command) =>
    client(command)
      .option('--protocol <protocol>', 'tcp or udp')
      .option('--port <port>', "destination port (default: the helper's usual one)")
      .option('--source <cidr>', 'only connections from here')
      .option('--destination <cidr>', 'only connections to there')
      .option('--in-interface <name>', 'only connections that come in there')
      .option('--ttl <time>', 'for a time only, like 30m');
  scope(helper.command('add <router> <helper>').description('declare a helper')).action(async (router, name, flags) =>
    (await import('./commands/helper.ts')).add(router, name, flags),
  );
  client(helper.command('list [router]').description('list helpers')).action(async (router, flags) =>
    (await import('./commands/helper.ts')).list(router, flags),
  );
  client(helper.command('show <router> <helper>').description('show a helper, by id or name')).action(async (router, name, flags) =>
    (await import('./commands/helper.ts')).showOne(router, name, flags),
  );
  scope(helper.command('set <router> <helper>').description('change a helper'))
    .option('--helper <name>', 'another helper')
    .action(async (router, name, flags) => (await import('./commands/helper.ts')).set(router, name, flags));
  client(helper.command('reapply <router> <helper>').description('give a helper to connections that are already there')).action(
    async (router, name, flags) => (await import('./commands/helper.ts')).reapply(router, name, flags),
  );
  client(helper.command('rm <router> <helper>').description('remove a helper, by id or name')).action(async (router, name, flags) =>
    (await import('./commands/helper.ts')).remove(router, name, flags),
  );
}

function manifests(program: Command): void {
  const file = (command: Command) =>
    client(command)
      .requiredOption('-f, --file <file>', "YAML file ('-': standard input)")
      .option('--prune', 'remove what the file does not name');
  file(program.command('apply').description('make the declared state what a file says'))
    .option('--dry-run', 'only say what would change')
    .action(async (flags) => (await import('./commands/apply.ts')).apply(flags));
  client(program.command('diff [router]').description('say how the declared state differs from a file, or live kernels from it'))
    .option('-f, --file <file>', "YAML file ('-': standard input); without it, the live kernels")
    .option('--prune', 'count what the file does not name')
    .action(async (router, flags) =>
      flags.file === undefined
        ? (await import('./commands/plan.ts')).plan(router, flags)
        : (await import('./commands/apply.ts')).diff(flags),
    );
  client(program.command('plan [router]').description('say what a sync would change in the live kernel'))
    .option('--table', 'print the desired table too')
    .action(async (router, flags) => (await import('./commands/plan.ts')).plan(router, flags));
  client(program.command('export').description('write the declared state as a file for apply')).action(async (flags) =>
    (await import('./commands/apply.ts')).exportAll(flags),
  );
}

function inspection(program: Command): void {
  client(program.command('status [router]').description('what became of each helper'))
    .option('--watch', 'keep showing changes')
    .option('--agent', "ask this host's agent itself, without a server (with --url: another address than 127.0.0.1:9798)")
    .action(async (router, flags) => (await import('./commands/status.ts')).status(router, flags));
  client(program.command('watch').description('show live expectations')).action(async (flags) =>
    (await import('./commands/watch.ts')).watch(flags),
  );
  client(program.command('events').description('follow changes, status and drift'))
    .option('--after <number>', 'begin after this event (default: now)')
    .action(async (flags) => (await import('./commands/events.ts')).events(flags));
  client(program.command('doctor [router]').description('what this kernel can do, and why a helper does not work here (as root)'))
    .option('--netns <name>', 'look at a network namespace without a server')
    .action(async (router, flags) => (await import('./commands/doctor.ts')).doctor(router, flags));
  program
    .command('review')
    .description('security review of rulesets, configuration and agent source, with evidence')
    .argument('[paths...]', 'files and folders; - is standard input')
    .option('--netns <name>', 'the rules of a network namespace, live (as root, or in the group of the kernel process)')
    .option('--host-netns', "those of the host's own (likewise)")
    .option('--types <types>', 'defect types, like CWE-703,CWE-691 (default: the ten pillars of CWE-1000)')
    .option('--format <format>', 'by-type (default), list, json, sarif, markdown or html')
    .option('--json', 'like --format json')
    .option('--output <file>', 'write it there')
    .option('--fail-on <severity>', 'exit 1 where a finding is info, low, medium, high or critical, or worse than that')
    .option('--baseline <file>', 'findings that are known, each with its reason')
    .option('--write-baseline <file>', 'write what was found as a baseline; what --baseline knew keeps its reason')
    .option('--kind <kind>', 'what the files are, where their names and contents do not say')
    .option('--kernel <version>', 'kernel that the rulesets are for, like 6.1.82: for known advisories')
    .option('--prove', 'try findings of rulesets in throw-away namespaces (as root)')
    .option('--second-reader', "ask the model of 'review.llm' too, and keep what the code bears out")
    .option('--config <file>', 'configuration (default /etc/pinhole/pinhole.yaml)')
    .action(async (paths, flags) => (await import('./commands/review.ts')).review(paths, flags));
  program
    .command('purge')
    .description("remove everything of Pinhole's from this host's kernel (as root)")
    .option('--netns <pattern>', "only in network namespaces like 'qrouter-*' (default: all, and the host's own)")
    .option('--keep-live', 'leave helpers on live connections')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./commands/purge.ts')).purge(flags));
  program
    .command('demo')
    .description('show the main job on throw-away namespaces (as root)')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./commands/demo.ts')).demo(flags));
  program
    .command('bench')
    .description('measure this machine (as root; from a checkout)')
    .option('--only <names>', 'comma-separated parts')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./commands/bench.ts')).bench(flags));
  program
    .command('completion')
    .description('print completion for bash')
    .action(async () => (await import('./commands/completion.ts')).completion(program));
}

function tokens(program: Command): void {
  const token = program.command('token').description('tokens of the API');
  client(token.command('create').description('make a token'))
    .addOption(new Option('--role <role>').choices(['admin', 'member', 'reader']).makeOptionMandatory())
    .option('--project <id>')
    .option('--description <text>')
    .option('--expires <time>', 'like 2030-01-31T12:00:00Z')
    .action(async (flags) => (await import('./commands/token.ts')).create(flags));
  token
    .command('init')
    .description("write this host's first admin token, once (root)")
    .option('--config <file>', 'configuration (default /etc/pinhole/pinhole.yaml)')
    .option('--data-dir <dir>', 'where data is kept (default /var/lib/pinhole)')
    .action(async (flags) => (await import('./commands/token.ts')).init(flags));
  client(token.command('list').description('list tokens')).action(async (flags) => (await import('./commands/token.ts')).list(flags));
  client(token.command('revoke <id>').description('revoke a token')).action(async (id, flags) =>
    (await import('./commands/token.ts')).revoke(id, flags),
  );
}

function administration(program: Command): void {
  const audit = program.command('audit').description('who did what');
  client(audit.command('list').description('newest first'))
    .option('--limit <count>', 'at most so many (default 50)')
    .option('--action <name>', 'like create_conntrack_helper')
    .option('--target <id>', 'of one router, helper or token')
    .option('--project <id>')
    .action(async (flags) => (await import('./commands/audit.ts')).list(flags));
  client(audit.command('heads').description('print the signed heads of the chains, to be kept elsewhere')).action(async (flags) =>
    (await import('./commands/audit.ts')).heads(flags),
  );
  client(audit.command('verify').description('check that nothing of it was changed, removed or put in'))
    .option('--heads <file>', "heads that 'audit heads' printed before")
    .action(async (flags) => (await import('./commands/audit.ts')).verify(flags));
  const quota = program.command('quota').description('how much a project may have');
  client(quota.command('show <project>')).action(async (project, flags) => (await import('./commands/quota.ts')).showOne(project, flags));
  client(quota.command('set <project>'))
    .option('--routers <limit>', "a number, 'none' or 'default'")
    .option('--helpers <limit>', "a number, 'none' or 'default'")
    .action(async (project, flags) => (await import('./commands/quota.ts')).set(project, flags));
  program
    .command('bus')
    .description('RabbitMQ, where a fleet has one')
    .command('grant [hosts...]')
    .description('print the commands that let hosts use the bus, each for itself')
    .option('--servers', "also those for the servers' users")
    .option('--config <file>', 'configuration (default /etc/pinhole/pinhole.yaml)')
    .option('--json', 'print JSON')
    .action(async (hosts, flags) => (await import('./commands/bus.ts')).grant(hosts, flags));
  program
    .command('db')
    .description('the database')
    .command('migrate')
    .description('bring it to this version')
    .option('--config <file>', 'configuration (default /etc/pinhole/pinhole.yaml)')
    .option('--data-dir <dir>', 'where data is kept (default /var/lib/pinhole)')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./commands/db.ts')).migrate(flags));
}

/** Prints a failure for people or programs. @returns the exit status of its code */
function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERROR_CODES['invalid-input'].exit;
  const data = errorToData(error);
  // Standard output is one document: what was printed there already, or the error.
  if (process.argv.includes('--json') && !(error instanceof Reported)) process.stdout.write(`${JSON.stringify({ error: data })}\n`);
  else process.stderr.write(`pinhole: ${error instanceof PinholeError ? data.message : ((error as Error).stack ?? error)}\n`);
  return ERROR_CODES[data.code].exit;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
