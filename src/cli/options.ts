import type { Command } from 'commander';

/** Adds the flags of every command that asks a server. @returns the command itself, as all functions here */
export function withClient(command: Command): Command {
  return command
    .option('--url <url>', 'address of the server (default: $PINHOLE_URL, or the server on this host)')
    .option('--token <token>', 'token (default: $PINHOLE_TOKEN, or the admin token on this host)')
    .option('--config <file>', "configuration that says where this host's data is (default: /etc/pinhole/pinhole.yaml)")
    .option('--json', 'print JSON');
}

/** Adds the flag of every command that reads this host's configuration. */
export function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration file (default: /etc/pinhole/pinhole.yaml)');
}

/** Adds the flags of {@link withConfig} and the data folder. */
export function withData(command: Command): Command {
  return withConfig(command).option('--data-dir <dir>', 'data folder (default: /var/lib/pinhole)');
}

/** Adds the flag that selects routers by their labels. */
export function withSelector(command: Command): Command {
  return command.option('-l, --selector <selector>', "only routers with these labels, like 'site=berlin,tier!=test'");
}

/** Collects the values of a flag that may be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
