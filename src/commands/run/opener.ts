import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Config, type ConfigFlags, paths } from '../../config/config.ts';
import { startOpener } from '../../processes/opener.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { holdFolders } from '../../supervisor/locks.ts';
import { openerOptions } from '../../supervisor/programs.ts';
import { confined } from './confined.ts';
import { ownOptions } from './own-options.ts';
import { started } from './until-over.ts';

/**
 * Runs the opener until it is stopped.
 * @param json options, when the supervisor starts it; without them, it reads the configuration, when systemd starts it
 * @throws InvalidInput for options or configuration that are wrong, and for a folder that another Pinhole uses
 */
export async function opener(json: string | undefined, flags: ConfigFlags): Promise<void> {
  const options = ownOptions(json, flags, (config, accounts) => openerOptions(config, accounts, mountedNetns(config)));
  holdFolders([dirname(options.socket)]);
  await confined('opener');
  await untilSignal(await started(startOpener(options)));
}

/** Where the unit has mounted the host's own network namespace; null if it has not. */
function mountedNetns(config: Config): string | null {
  const { hostNetns } = paths(config);
  return statSync(hostNetns, { throwIfNoEntry: false }) ? hostNetns : null;
}
