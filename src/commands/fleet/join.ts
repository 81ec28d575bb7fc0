import { existsSync, lchownSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join as joined } from 'node:path';
import { DEFAULT_USERS, loadConfig, paths } from '../../config/config.ts';
import { configFile, type FolderFlags } from '../../config/folders.ts';
import { BUNDLE, type Bundle, type MachineFile } from '../../contract/fleet.ts';
import { read } from '../../contract/shape.ts';
import { Files, textOf } from '../../fleet/files.ts';
import { Denied, InvalidInput } from '../../model/errors.ts';
import { type Account, configReaders, resolveAccounts } from '../../supervisor/accounts.ts';
import { prepareHost } from '../../supervisor/host.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Who may read a file: everyone, those who may read the configuration, or only the process of this machine, the server or the agent. */
const ACCESS: Readonly<Record<MachineFile, 'all' | 'readers' | 'user'>> = {
  'pinhole.yaml': 'readers',
  'ca.pem': 'all',
  'cert.pem': 'all',
  'key.pem': 'user',
  'admin-token': 'readers',
};
const MODES = { all: 0o644, readers: 0o640, user: 0o600 } as const;

/**
 * Puts what `fleet init` made for this machine in place: configuration, certificates, and the token of a server. A configuration that
 * differs is kept as `pinhole.yaml.before`. A repetition changes nothing.
 * @param source path of the file; standard input by default
 * @throws Denied unless root; InvalidInput for a file that `fleet init` has not made
 */
export async function join(source: string | undefined, flags: FolderFlags & { json?: boolean }): Promise<void> {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it writes files of other users. Try again with sudo.');
  process.umask(0o022);
  const bundle = readBundle(source);
  const account = resolveAccounts(DEFAULT_USERS)[bundle.role];
  const readers = configReaders() ?? account.gid;
  const file = configFile(flags, process.env);
  const folder = dirname(file);
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    lchownSync(folder, 0, readers);
  }
  const files = new Files();
  const { 'admin-token': token, 'pinhole.yaml': yaml, ...others } = bundle.files;
  if (yaml === undefined) throw new InvalidInput('file', 'The file has no pinhole.yaml.');
  for (const [name, text] of Object.entries(others))
    place(files, joined(folder, name), { text, name: name as MachineFile, account, readers });
  const before = textOf(file);
  if (before !== null && before !== yaml) files.put(`${file}.before`, before);
  place(files, file, { text: yaml, name: 'pinhole.yaml', account, readers });
  if (token !== undefined) {
    const config = loadConfig(flags, process.env);
    prepareHost(config);
    place(files, paths(config).adminToken, { text: token, name: 'admin-token', account, readers: account.gid });
  }
  if (flags.json) printJson({ machine: bundle.machine, role: bundle.role, written: files.written });
  else print(`this machine is ${bundle.role} ${bundle.machine} of the fleet: ${files.written.length} files written\n`);
}

interface Placed {
  readonly text: string;
  readonly name: MachineFile;
  readonly account: Account;
  /** The group of those who may read the configuration. */
  readonly readers: number;
}

function place(files: Files, path: string, { text, name, account, readers }: Placed): void {
  const access = ACCESS[name];
  files.put(path, text, MODES[access]);
  const [uid, gid] = { all: [0, 0], readers: [0, readers], user: [account.uid, account.gid] }[access] as [number, number];
  lchownSync(path, uid, gid);
}

function readBundle(source: string | undefined): Bundle {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(source ?? 0, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidInput(
      'file',
      code === undefined ? 'The file is not JSON.' : `${source ?? 'standard input'} cannot be read (${code}).`,
    );
  }
  return read(BUNDLE, value, source ?? 'standard input', 'input');
}
