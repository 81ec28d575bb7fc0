import { type ConfigFlags, loadConfig, paths } from '../../config/config.ts';
import { systemChance } from '../../ports/chance.ts';
import { systemClock } from '../../ports/clock.ts';
import { onHangup, untilSignal } from '../../processes/until-signal.ts';
import { ensureAdminToken, loadModules, prepareHost } from '../../supervisor/host.ts';
import { agentProgram, kernelProgram, serverProgram } from '../../supervisor/programs.ts';
import { supervise } from '../../supervisor/supervisor.ts';

/**
 * Runs server, agent and kernel process of one host until it is stopped, each with only the rights that it needs.
 * @throws Denied unless root; InvalidInput for wrong configuration
 */
export async function up(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const accounts = prepareHost(config);
  ensureAdminToken(config, accounts);
  loadModules();
  const supervised = supervise(
    [kernelProgram(config), serverProgram(flags), agentProgram(flags)],
    { accounts, env: process.env },
    { clock: systemClock, chance: systemChance },
  );
  onHangup(() => supervised.reload());
  const where = 'path' in config.listen ? config.listen.path : `${config.listen.host}:${config.listen.port}`;
  process.stderr.write(`pinhole is starting: API on ${where}, data in ${config.dataDir}, token in ${paths(config).adminToken}\n`);
  await untilSignal({ close: () => supervised.stop() });
}
