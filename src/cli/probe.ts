import type { Command } from 'commander';

/** Adds `probe`: is there an ALG in my path? */
export function defineProbe(program: Command): void {
  const probe = program.command('probe').description('find ALGs in the path between two hosts, with or without a Pinhole router');
  const define = (name: string, description: string) =>
    probe
      .command(name)
      .description(description)
      .option('--channel-port <port>', 'TCP port on which both compare notes', '9799')
      .option('--data-ports <low-high>', 'ports for data connections to this end', '40000-60000')
      .option('--json', 'print JSON');
  define('reflector', 'answer probe clients until stopped (ports below 1024 need root or CAP_NET_BIND_SERVICE)')
    .option('--address <addresses>', "own addresses to listen at, with commas between them (default: all of this host's)")
    .option('--ftp <ports>', "ports with commas between them, or 'off'", '21')
    .option('--tftp <ports>', 'likewise', '69')
    .option('--sip <ports>', 'likewise; over UDP and TCP', '5060')
    .option('--irc <ports>', 'likewise', '6667')
    .action(async (flags) => (await import('../commands/probe/reflector.ts')).reflector(flags));
  define('client <host>', 'ask the reflector at a host what arrives there, and which connections get through')
    .option('--only <helpers>', 'only some of ftp,tftp,sip,irc')
    .option('--family <families>', 'only ipv4 or ipv6 (default: both, where the host has both)')
    .option('--wait <seconds>', 'how long to wait for each answer', '5')
    .action(async (host, flags) => (await import('../commands/probe/client.ts')).client(host, flags));
}
