import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BUNDLE, DATABASE_URL, FLEET, type Fleet, MACHINE_NAME, VHOST } from '../../contract/fleet.ts';
import { read } from '../../contract/shape.ts';
import { Authority } from '../../fleet/certificates.ts';
import { Files, textOf } from '../../fleet/files.ts';
import { brokerDefinitions, extended, type Wishes } from '../../fleet/fleet.ts';
import { brokerFiles, bundleOf } from '../../fleet/machine-files.ts';
import { importDefinitions } from '../../fleet/rabbitmqctl.ts';
import { InvalidInput } from '../../model/errors.ts';
import { systemClock } from '../../ports/clock.ts';
import { superviseFolders } from '../../supervisor/locks.ts';
import { print, printJson } from '../../terminal/table.ts';

/** The flags of `fleet init`. */
export interface InitFlags {
  readonly brokers?: string;
  readonly servers?: string;
  readonly agents?: string;
  readonly vhost?: string;
  readonly database?: string;
  /** False for `--no-import`. */
  readonly import: boolean;
  readonly json?: boolean;
}

/**
 * Makes all that a fleet needs, in a folder and in the RabbitMQ of this machine: virtual host, users, certificates, the admin token, and
 * what each machine gets. A repetition changes nothing; after an interruption it does the rest; with more names it adds them.
 * @throws InvalidInput; PinholeError `program-missing`, `unreachable`
 */
export async function init(given: string, flags: InitFlags): Promise<void> {
  process.umask(0o077);
  const folder = resolve(given);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  superviseFolders([folder]);
  const files = new Files();
  const state = join(folder, 'fleet.json');
  const fleet = extended(known(state), wishes(flags, process.env));
  // Before all that follows from it: an interrupted call has made up nothing that the next one does not know.
  files.put(state, json(FLEET.write(fleet)));
  const authority = new Authority(folder, systemClock.now());
  await authority.open();
  await writeMachines(fleet, { folder, files, authority });
  const definitions = json(brokerDefinitions(fleet));
  files.put(join(folder, 'rabbitmq.json'), definitions);
  files.put(join(folder, 'admin-token'), `${fleet.adminToken}\n`);
  if (flags.import) await importDefinitions(definitions);
  report(fleet, { folder, files, flags });
}

async function writeMachines(fleet: Fleet, at: { folder: string; files: Files; authority: Authority }): Promise<void> {
  const { folder, files, authority } = at;
  for (const broker of fleet.brokers) {
    const own = brokerFiles(await authority.of(broker));
    for (const [name, text] of Object.entries(own)) files.put(join(folder, 'rabbitmq', broker, name), text);
  }
  for (const machine of [...fleet.servers, ...fleet.agents]) {
    const bundle = bundleOf(fleet, machine, await authority.of(machine));
    files.put(join(folder, 'machines', `${machine}.json`), json(BUNDLE.write(bundle)));
    files.put(join(folder, 'ca.pem'), bundle.files['ca.pem'] as string, 0o644);
  }
}

function known(state: string): Fleet | null {
  const text = textOf(state);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidInput('folder', `${state} is not JSON. Restore it, or begin in another folder.`);
  }
  return read(FLEET, value, state, 'input');
}

function wishes({ brokers, servers, agents, vhost, database }: InitFlags, env: NodeJS.ProcessEnv): Wishes {
  const url = database ?? env['PINHOLE_DATABASE_URL'];
  return {
    brokers: names(brokers, 'brokers'),
    servers: names(servers, 'servers'),
    agents: names(agents, 'agents'),
    vhost: vhost === undefined ? null : read(VHOST, vhost, 'vhost', 'input'),
    databaseUrl: url === undefined ? null : read(DATABASE_URL, url, 'database', 'input'),
  };
}

function names(text: string | undefined, field: string): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => read(MACHINE_NAME, name, field, 'input'));
}

function report(fleet: Fleet, { folder, files, flags }: { folder: string; files: Files; flags: InitFlags }): void {
  const { brokers, servers, agents } = fleet;
  if (flags.json) {
    printJson({ folder, brokers, servers, agents, written: files.written, imported: flags.import });
    return;
  }
  const changed = files.written.length === 0 ? 'nothing had to be changed' : `${files.written.length} files written`;
  print(`fleet of ${servers.length} servers and ${agents.length} agents in ${folder}: ${changed}\n`);
  if (!flags.import) print(`on a machine of RabbitMQ: rabbitmqctl import_definitions < ${join(folder, 'rabbitmq.json')}\n`);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
