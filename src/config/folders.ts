import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InvalidInput } from '../model/errors.ts';

export const DEFAULT_CONFIG_FILE = '/etc/pinhole/pinhole.yaml';
export const DEFAULT_DATA_DIR = '/var/lib/pinhole';
const DEFAULT_RUN_DIR = '/run/pinhole';

/** The flags that say where this host's configuration and data are. */
export interface FolderFlags {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
}

/** The folders of this host's data and of its sockets, as absolute paths. */
export interface Folders {
  readonly dataDir: string;
  readonly runDir: string;
}

/** As `--config`: the default file, which systemd has opened as standard input for a process that may not open it itself. */
const OPENED = '-';

/** Returns the path of the configuration file: that of the flag, of `PINHOLE_CONFIG`, or the default. */
export function configFile(flags: FolderFlags, env: NodeJS.ProcessEnv): string {
  if (flags.config === OPENED) return DEFAULT_CONFIG_FILE;
  return resolve(flags.config ?? (env['PINHOLE_CONFIG'] || DEFAULT_CONFIG_FILE));
}

/**
 * Returns the flags with absolute paths, which hold in every working folder. They include what the environment says, so that a
 * process with these flags reads the same files.
 */
export function absoluteFlags<F extends FolderFlags>(flags: F, env: NodeJS.ProcessEnv): F {
  const config = configFile(flags, env);
  const dataDir = flags.dataDir ?? (env['PINHOLE_DATA_DIR'] || undefined);
  return {
    ...flags,
    ...(config === DEFAULT_CONFIG_FILE ? {} : { config }),
    ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
  };
}

/**
 * Chooses the folders. Flags and variables are relative to the working folder, what the file says is relative to the file's folder.
 * @param said what the configuration file says; null for what it does not say
 */
export function chooseFolders(said: { readonly [K in keyof Folders]: string | null }, flags: FolderFlags, env: NodeJS.ProcessEnv): Folders {
  const folder = dirname(configFile(flags, env));
  const dataDir = resolve(folder, absoluteFlags(flags, env).dataDir ?? said.dataDir ?? DEFAULT_DATA_DIR);
  const usual = dataDir === DEFAULT_DATA_DIR ? DEFAULT_RUN_DIR : join(dataDir, 'run');
  const told = env['PINHOLE_RUN_DIR'];
  return { dataDir, runDir: told ? resolve(told) : resolve(folder, said.runDir ?? usual) };
}

/**
 * Finds the folders without reading the rest of the configuration, so that clients work on a host whose configuration has a mistake
 * elsewhere. A default file that this user may not read counts as missing.
 * @throws InvalidInput for a file that a flag or a variable names and that cannot be read
 */
export async function findFolders(flags: FolderFlags, env: NodeJS.ProcessEnv): Promise<Folders> {
  const text = readConfigFile(flags, env, { optional: true });
  if (text === '') return chooseFolders({ dataDir: null, runDir: null }, flags, env);
  const { parse } = await import('yaml');
  const string = (value: unknown) => (typeof value === 'string' ? value : null);
  const { data_dir, run_dir } = (quietly(() => parse(text, { maxAliasCount: 0, logLevel: 'silent' })) ?? {}) as Record<string, unknown>;
  return chooseFolders({ dataDir: string(data_dir), runDir: string(run_dir) }, flags, env);
}

/**
 * Returns the text of the configuration file; empty for a missing default file.
 * @param options `optional`: whether a default file that cannot be read counts as missing
 * @throws InvalidInput that names the file
 */
export function readConfigFile(flags: FolderFlags, env: NodeJS.ProcessEnv, options: { readonly optional?: boolean } = {}): string {
  const file = configFile(flags, env);
  const isDefault = file === DEFAULT_CONFIG_FILE;
  try {
    return readFileSync(flags.config === OPENED ? 0 : file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isDefault && (code === 'ENOENT' || options.optional)) return '';
    throw new InvalidInput('config', code === 'ENOENT' ? `${file}: there is no such file.` : `${file} cannot be read (${code}).`);
  }
}

function quietly<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
