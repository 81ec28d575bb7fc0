import { closeSync, openSync } from 'node:fs';
import { type Config, type ConfigFlags, loadConfig } from '../../config/config.ts';
import { InvalidInput } from '../../model/errors.ts';
import { type Accounts, resolveAccounts } from '../../supervisor/accounts.ts';

/**
 * Options of a process: from an argument, when the supervisor starts it; without one from the configuration, when systemd does. The
 * process then keeps no way to the rest of the file.
 * @throws InvalidInput for what is not JSON, and for configuration that is wrong
 */
export function ownOptions<T>(json: string | undefined, flags: ConfigFlags, choose: (config: Config, accounts: Accounts) => T): T {
  if (json !== undefined) return parse(json);
  const config = loadConfig(flags, process.env);
  closeSync(0);
  openSync('/dev/null', 'r');
  return choose(config, resolveAccounts(config.users));
}

function parse(json: string) {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidInput(
      'options',
      'The options are not JSON. The supervisor starts this process; there is no need to start it by hand.',
    );
  }
}
