import { type ConfigFlags, loadConfig, paths } from '../../config/config.ts';
import { absoluteFlags } from '../../config/folders.ts';
import { ensureAdminToken, loadModules, prepareHost } from '../../supervisor/host.ts';
import { superviseFolders } from '../../supervisor/locks.ts';
import { agentProgram, kernelProgram, openerProgram, ownFolders, serverProgram } from '../../supervisor/programs.ts';
import { superviseUntilOver } from './until-over.ts';

/**
 * Runs server, agent and kernel process of one host until it is stopped, each with only the rights that it needs.
 * @throws Denied unless root; InvalidInput for wrong configuration, and for folders that another Pinhole uses
 */
export async function up(given: ConfigFlags): Promise<void> {
  const flags = absoluteFlags(given, process.env);
  const config = loadConfig(flags, process.env);
  const accounts = prepareHost(config);
  superviseFolders(Object.values(ownFolders(config)).flat());
  ensureAdminToken(config, accounts);
  loadModules();
  const where = 'path' in config.listen ? config.listen.path : `${config.listen.host}:${config.listen.port}`;
  process.stderr.write(`pinhole is starting: API on ${where}, data in ${config.dataDir}, token in ${paths(config).adminToken}\n`);
  const programs = [openerProgram(config, accounts), kernelProgram(config, accounts), serverProgram(flags), agentProgram(flags)];
  await superviseUntilOver(programs, config, accounts);
}
