import { loadNeutronConf, NEUTRON_VARIABLE } from '../../config/bus-config.ts';
import { type Config, type ConfigFlags, loadConfig } from '../../config/config.ts';
import { systemChance } from '../../ports/chance.ts';
import { systemClock } from '../../ports/clock.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { loadModules, prepareHost } from '../../supervisor/host.ts';
import { agentProgram, kernelProgram } from '../../supervisor/programs.ts';
import { supervise } from '../../supervisor/supervisor.ts';

/**
 * Runs the agent of this host until it is stopped. As root it supervises the agent and the kernel process, which needs rights that
 * the agent must not have.
 * @throws InvalidInput for configuration or a neutron.conf that is wrong
 */
export async function agent(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  if (process.getuid?.() === 0) return superviseAgent(config, flags);
  const { startHostAgent } = await import('../../processes/host-agent.ts');
  const running = await startHostAgent(config, { neutron: flags.neutron === true });
  await untilSignal(running);
}

async function superviseAgent(config: Config, flags: ConfigFlags): Promise<void> {
  const accounts = prepareHost(config);
  loadModules();
  // Only root and Neutron may read neutron.conf, so the agent gets its settings in an environment variable.
  const told = flags.neutronConf === undefined ? {} : { [NEUTRON_VARIABLE]: JSON.stringify(loadNeutronConf(flags.neutronConf)) };
  const supervised = supervise(
    [kernelProgram(config), agentProgram(flags)],
    { accounts, env: { ...process.env, ...told } },
    { clock: systemClock, chance: systemChance },
  );
  await untilSignal({ close: () => supervised.stop() });
}
