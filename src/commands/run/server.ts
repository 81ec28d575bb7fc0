import { mkdirSync } from 'node:fs';
import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { absoluteFlags } from '../../config/folders.ts';
import { startServer } from '../../processes/server.ts';
import { onHangup, untilSignal } from '../../processes/until-signal.ts';
import { prepareHost } from '../../supervisor/host.ts';
import { holdFolders, superviseFolders } from '../../supervisor/locks.ts';
import { ownFolders, serverProgram } from '../../supervisor/programs.ts';
import { confined } from './confined.ts';
import { started, superviseUntilOver } from './until-over.ts';

/**
 * Runs the server alone until it is stopped. As root it supervises the server, which runs as its own user. SIGHUP reloads certificate
 * and policy.
 * @throws InvalidInput for wrong configuration, and for folders that another Pinhole uses
 */
export async function server(given: ConfigFlags): Promise<void> {
  const flags = absoluteFlags(given, process.env);
  const config = loadConfig(flags, process.env);
  const folders = ownFolders(config).server;
  if (process.getuid?.() === 0) {
    const accounts = prepareHost(config);
    superviseFolders(folders);
    return superviseUntilOver([serverProgram(flags)], config, accounts);
  }
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o750 });
  holdFolders(folders);
  await confined('server');
  const running = await started(startServer(config));
  onHangup(() => running.reload());
  await untilSignal(running);
}
