import { mkdirSync } from 'node:fs';
import { loadNeutronConf, NEUTRON_VARIABLE } from '../../config/bus-config.ts';
import { type Config, type ConfigFlags, loadConfig } from '../../config/config.ts';
import { absoluteFlags } from '../../config/folders.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { loadModules, prepareHost } from '../../supervisor/host.ts';
import { holdFolders, superviseFolders } from '../../supervisor/locks.ts';
import { agentProgram, kernelProgram, openerProgram, ownFolders } from '../../supervisor/programs.ts';
import { confined } from './confined.ts';
import { started, superviseUntilOver } from './until-over.ts';

/**
 * Runs the agent of this host until it is stopped. As root it supervises the agent and the kernel process, which needs rights that
 * the agent must not have.
 * @throws InvalidInput for configuration or a neutron.conf that is wrong, and for folders that another Pinhole uses
 */
export async function agent(given: ConfigFlags): Promise<void> {
  const flags = absoluteFlags(given, process.env);
  const config = loadConfig(flags, process.env);
  if (process.getuid?.() === 0) return superviseAgent(config, flags);
  const folders = ownFolders(config).agent;
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 });
  holdFolders(folders);
  await confined('agent');
  const { startHostAgent } = await import('../../processes/host-agent.ts');
  const running = await started(startHostAgent(config, { neutron: flags.neutron === true }));
  await untilSignal(running);
}

async function superviseAgent(config: Config, flags: ConfigFlags): Promise<void> {
  const accounts = prepareHost(config);
  const { opener, kernel, agent: own } = ownFolders(config);
  superviseFolders([...opener, ...kernel, ...own]);
  loadModules();
  // Only root and Neutron may read neutron.conf, so the agent gets its settings in an environment variable.
  const told = flags.neutronConf === undefined ? {} : { [NEUTRON_VARIABLE]: JSON.stringify(loadNeutronConf(flags.neutronConf)) };
  const programs = [openerProgram(config, accounts), kernelProgram(config, accounts), agentProgram(flags)];
  await superviseUntilOver(programs, config, accounts, told);
}
