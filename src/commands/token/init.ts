import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { ensureAdminToken, prepareHost } from '../../supervisor/host.ts';

/** Writes the first admin token of this host, as `pinhole up` does by itself: the server adopts it when it starts. */
export async function init(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  ensureAdminToken(config, prepareHost(config));
}
