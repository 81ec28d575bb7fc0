import { fileURLToPath } from 'node:url';
import { type Config, type ConfigFlags, paths } from '../config/config.ts';

/** A process that the supervisor starts: this program with other arguments. */
export interface Program {
  /** Its name in messages, unique among programs. */
  readonly name: string;
  readonly arguments: readonly string[];
  readonly account: 'pinhole' | 'kernel';
  /** Flags for Node itself. */
  readonly nodeFlags: readonly string[];
}

/** Path of the built command line, which every program runs. */
export const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/**
 * The kernel process keeps little in memory and passes much through it: a small young generation saves memory and costs little time.
 */
export const KERNEL_NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=96'];
const SERVER_NODE_FLAGS = ['--max-semi-space-size=8'];
const AGENT_NODE_FLAGS = ['--max-semi-space-size=2'];

/** The settings that the kernel process needs, in the form in which it takes them. */
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

/** The server, with the flags of `pinhole up`. */
export function serverProgram(flags: ConfigFlags): Program {
  const argv = ['server', ...given(flags), ...(flags.insecure ? ['--insecure'] : [])];
  return { name: 'server', arguments: argv, account: 'pinhole', nodeFlags: SERVER_NODE_FLAGS };
}

/** The agent, with the flags of `pinhole up` or `pinhole agent`. */
export function agentProgram(flags: ConfigFlags): Program {
  const argv = ['agent', ...given(flags), ...(flags.neutron ? ['--neutron'] : [])];
  return { name: 'agent', arguments: argv, account: 'pinhole', nodeFlags: AGENT_NODE_FLAGS };
}

function given({ config, dataDir, listen }: ConfigFlags): string[] {
  const flags = Object.entries({ '--config': config, '--data-dir': dataDir, '--listen': listen });
  return flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
}
