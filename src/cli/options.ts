import type { Command } from 'commander';

/** Adds the flags of every command that talks to a server. */
export function withClient(command: Command): Command {
  return command
    .option('--url <url>', 'server (default $PINHOLE_URL, or the one on this host)')
    .option('--token <token>', 'token (default $PINHOLE_TOKEN, or the admin token on this host)')
    .option('--json', 'print JSON');
}

/** Adds the flag of every command that reads this host's configuration. */
export function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration (default /etc/pinhole/pinhole.yaml)');
}

/** Adds `withConfig` and the folder that data is kept in. */
export function withData(command: Command): Command {
  return withConfig(command).option('--data-dir <dir>', 'where data is kept (default /var/lib/pinhole)');
}
