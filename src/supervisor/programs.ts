import { fileURLToPath } from 'node:url';
import { type Config, type ConfigFlags, paths } from '../config/config.ts';

/** A process that the supervisor starts: this program with other arguments. */
export interface Program {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly account: 'pinhole' | 'kernel';
  /** Flags of Node's own. */
  readonly nodeFlags: readonly string[];
}

/** The built command line, which every program runs. */
export const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/** What the kernel process keeps is small and what passes through it is not: a small young generation costs little time. */
export const KERNEL_NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=96'];
const SERVER_NODE_FLAGS = ['--max-semi-space-size=8'];
const AGENT_NODE_FLAGS = ['--max-semi-space-size=2'];

/** What the kernel process has to know of the configuration. */
export function kernelOptions(config: Config) {
  return { socket: paths(config).kernelSocket, ...config.kernel, logLevel: config.logLevel };
}

/** The kernel process, with its options as an argument: it reads no configuration. */
export function kernelProgram(config: Config): Program {
  return {
    name: 'kernel',
    arguments: ['kernel-process', JSON.stringify(kernelOptions(config))],
    account: 'kernel',
    nodeFlags: KERNEL_NODE_FLAGS,
  };
}

/** The server, under the flags that `pinhole up` was given. */
export function serverProgram(flags: ConfigFlags): Program {
  const argv = ['server', ...given(flags), ...(flags.insecure ? ['--insecure'] : [])];
  return { name: 'server', arguments: argv, account: 'pinhole', nodeFlags: SERVER_NODE_FLAGS };
}

/** The agent, under the flags that `pinhole up` or `pinhole agent` was given. */
export function agentProgram(flags: ConfigFlags): Program {
  const argv = ['agent', ...given(flags), ...(flags.neutron ? ['--neutron'] : [])];
  return { name: 'agent', arguments: argv, account: 'pinhole', nodeFlags: AGENT_NODE_FLAGS };
}

function given({ config, dataDir, listen }: ConfigFlags): string[] {
  const flags = Object.entries({ '--config': config, '--data-dir': dataDir, '--listen': listen });
  return flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
}
