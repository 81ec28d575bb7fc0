import { mkdirSync } from 'node:fs';
import { loadNeutronConf, NEUTRON_VARIABLE } from '../config/bus-config.ts';
import { type ConfigFlags, loadConfig, paths } from '../config/config.ts';
import { InvalidInput } from '../model/errors.ts';
import { systemChance } from '../ports/chance.ts';
import { systemClock } from '../ports/clock.ts';
import {
  ensureAdminToken,
  kernelOptions,
  kernelProgram,
  loadModules,
  type Program,
  prepareHost,
  supervise,
} from '../supervisor/supervisor.ts';
import { sdNotify } from '../telemetry/sd-notify.ts';

const SYSTEM = { clock: systemClock, chance: systemChance } as const;

/** SIGHUP has certificates and policy read anew. */
function onHangup(reload: () => void): void {
  process.on('SIGHUP', reload);
}

interface Running {
  /** Whether what it is there for goes on. */
  readonly isWell?: () => boolean;
  close(): Promise<void>;
}

/** Runs until SIGTERM or SIGINT, then closes; a second signal ends at once. Tells systemd, where it waits to be told. */
async function untilSignal({ isWell = () => true, close }: Running): Promise<void> {
  const notify = await sdNotify(process.env, (reason) => process.stderr.write(`systemd cannot be told: ${reason}\n`), systemClock);
  notify.ready(isWell);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  notify.stopping();
  try {
    await close();
  } finally {
    notify.close();
  }
}

export async function server(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const { serverDir, serverSocketDir } = paths(config);
  for (const folder of [serverDir, serverSocketDir]) mkdirSync(folder, { recursive: true, mode: 0o750 });
  const { startServer } = await import('../processes/server.ts');
  const running = await startServer(config);
  onHangup(() => running.reload());
  await untilSignal(running);
}

/** Started as root it supervises: the kernel process needs rights that the agent must not have. */
export async function agent(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  if (process.getuid?.() === 0) {
    const accounts = prepareHost(config);
    loadModules();
    // Who may read neutron.conf is root and neutron: the agent is told what it says.
    const told = flags.neutronConf === undefined ? {} : { [NEUTRON_VARIABLE]: JSON.stringify(loadNeutronConf(flags.neutronConf)) };
    const supervised = supervise([kernelProgram(config), program('agent', flags)], { accounts, env: { ...process.env, ...told } }, SYSTEM);
    await untilSignal({ close: () => supervised.stop() });
    return;
  }
  const { startHostAgent } = await import('../processes/host-agent.ts');
  const running = await startHostAgent(config, { neutron: flags.neutron === true });
  await untilSignal(running);
}

/** Server, agent and kernel process of one host, each under its own rights. */
export async function up(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const accounts = prepareHost(config);
  ensureAdminToken(config, accounts);
  loadModules();
  const programs = [kernelProgram(config), program('server', flags), program('agent', flags)];
  const supervised = supervise(programs, { accounts, env: process.env }, SYSTEM);
  onHangup(() => supervised.reload());
  const where = 'path' in config.listen ? config.listen.path : `${config.listen.host}:${config.listen.port}`;
  process.stderr.write(`pinhole is starting: API on ${where}, data in ${config.dataDir}, token in ${paths(config).adminToken}\n`);
  await untilSignal({ close: () => supervised.stop() });
}

/** With its options from the supervisor, or, where systemd starts it, from root-owned configuration. */
export async function kernelProcess(json: string | undefined, flags: ConfigFlags): Promise<void> {
  const { startKernelProcess } = await import('../processes/kernel-process.ts');
  const running = await startKernelProcess(json === undefined ? kernelOptions(loadConfig(flags, process.env)) : parseOptions(json));
  await untilSignal(running);
}

function parseOptions(json: string) {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidInput('options', 'kernel-process is started by the supervisor, with its options as JSON.');
  }
}

const NODE_FLAGS = { server: ['--max-semi-space-size=8'], agent: ['--max-semi-space-size=2'] } as const;

function program(name: 'server' | 'agent', flags: ConfigFlags): Program {
  const given = Object.entries({ '--config': flags.config, '--data-dir': flags.dataDir, '--listen': flags.listen });
  const argv = given.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
  if (name === 'server' && flags.insecure) argv.push('--insecure');
  if (name === 'agent' && flags.neutron) argv.push('--neutron');
  return { name, arguments: [name, ...argv], account: 'pinhole', nodeFlags: NODE_FLAGS[name] };
}
