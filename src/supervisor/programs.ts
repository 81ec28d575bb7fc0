import { fileURLToPath } from 'node:url';
import { type Config, type ConfigFlags, paths } from '../config/config.ts';
import type { Accounts, ProcessName } from './accounts.ts';

/** A process that the supervisor starts: this program with other arguments. */
export interface Program {
  /** Its name in messages, unique among programs. */
  readonly name: ProcessName;
  readonly arguments: readonly string[];
  /** Flags for Node itself. */
  readonly nodeFlags: readonly string[];
  /** Milliseconds without a sign of life after which it is killed. */
  readonly silentMs: number;
}

/** Server and agent may be busy for longer than the kernel process, which does little at a time. As in their systemd units. */
const SILENT_MS = 30_000;

/** The host's own network namespace, as the supervisor passes it to the opener. */
const INHERITED_NETNS = '/proc/self/fd/4';

/** Path of the built command line, which every program runs. */
export const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/**
 * The kernel process keeps little in memory and passes much through it: a small young generation saves memory and costs little time.
 */
export const KERNEL_NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=96'];
/** The opener keeps nothing; what it reads of rules passes through. */
const OPENER_NODE_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=256'];
const SERVER_NODE_FLAGS = ['--max-semi-space-size=8'];
const AGENT_NODE_FLAGS = ['--max-semi-space-size=2'];

/** The settings that the kernel process needs, in the form in which it takes them. It serves the agent, and root's commands. */
export function kernelOptions(config: Config, accounts: Accounts) {
  const { kernelSocket, openerSocket } = paths(config);
  return { socket: kernelSocket, openerSocket, users: [0, accounts.agent.uid], ...config.kernel, logLevel: config.logLevel };
}

/** The settings that the opener needs. It serves the kernel process. @param hostNetns see OpenerProcessOptions */
export function openerOptions(config: Config, accounts: Accounts, hostNetns: string | null) {
  const { namespaces, hostNamespace } = config.kernel;
  const { openerSocket } = paths(config);
  return { socket: openerSocket, users: [accounts.kernel.uid], namespaces, hostNamespace, hostNetns, logLevel: config.logLevel };
}

/** The folders that a process keeps to itself, by the name of its program. */
export function ownFolders(config: Config) {
  const files = paths(config);
  return {
    opener: [files.openerSocketDir],
    kernel: [files.kernelSocketDir],
    server: [files.serverDir, files.serverSocketDir],
    agent: [files.agentDir],
  };
}

/** The kernel process, with its options as an argument: it reads no configuration. */
export function kernelProgram(config: Config, accounts: Accounts): Program {
  return {
    name: 'kernel',
    arguments: ['kernel-process', JSON.stringify(kernelOptions(config, accounts))],
    nodeFlags: KERNEL_NODE_FLAGS,
    silentMs: config.kernel.deadlineSeconds * 1_000,
  };
}

/** The opener, with its options as an argument: it reads no configuration. */
export function openerProgram(config: Config, accounts: Accounts): Program {
  return {
    name: 'opener',
    arguments: ['opener', JSON.stringify(openerOptions(config, accounts, INHERITED_NETNS))],
    nodeFlags: OPENER_NODE_FLAGS,
    silentMs: config.kernel.deadlineSeconds * 1_000,
  };
}

/** The server, with the flags of `pinhole up`. */
export function serverProgram(flags: ConfigFlags): Program {
  const argv = ['server', ...given(flags), ...(flags.insecure ? ['--insecure'] : [])];
  return { name: 'server', arguments: argv, nodeFlags: SERVER_NODE_FLAGS, silentMs: SILENT_MS };
}

/** The agent, with the flags of `pinhole up` or `pinhole agent`. */
export function agentProgram(flags: ConfigFlags): Program {
  const argv = ['agent', ...given(flags), ...(flags.neutron ? ['--neutron'] : [])];
  return { name: 'agent', arguments: argv, nodeFlags: AGENT_NODE_FLAGS, silentMs: SILENT_MS };
}

/** Variables that every program gets: where programs are, the language of messages, and what Node itself reads. */
const COMMON = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'];

/** Variables of Pinhole's own that a program does not get: opener and kernel process read no configuration, and an agent uses no database. */
const WITHHELD: Readonly<Partial<Record<ProcessName, RegExp>>> = {
  opener: /^PINHOLE_/,
  kernel: /^PINHOLE_/,
  agent: /^PINHOLE_DATABASE_URL$/,
};

/**
 * The variables of an environment that a program gets: an allow list, because an environment holds secrets of other programs. Programs run in
 * another folder, so paths in it have to be absolute.
 */
export function environmentOf({ name }: Pick<Program, 'name'>, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isGiven = (key: string) => COMMON.includes(key) || (key.startsWith('PINHOLE_') && WITHHELD[name]?.test(key) !== true);
  return Object.fromEntries(Object.entries(env).filter(([key]) => isGiven(key)));
}

function given({ config, dataDir, listen }: ConfigFlags): string[] {
  const flags = Object.entries({ '--config': config, '--data-dir': dataDir, '--listen': listen });
  return flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
}
