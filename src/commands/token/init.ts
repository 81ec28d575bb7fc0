import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { ensureAdminToken, prepareHost } from '../../supervisor/host.ts';

/**
 * Writes the first admin token of this host, unless there is one. `pinhole up` does the same by itself. The server accepts the
 * token after its next start.
 */
export async function init(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  ensureAdminToken(config, prepareHost(config));
}
