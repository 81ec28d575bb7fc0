import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { kept } from '../../client/answer.ts';
import { Client } from '../../client/client.ts';
import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { HELD } from '../../contract/agent.ts';
import { nullable } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { Denied, PinholeError } from '../../model/errors.ts';
import { confirmationOf } from '../../processes/own-tables.ts';
import { print } from '../../terminal/table.ts';

const ANSWER = kept(record({ held: nullable(HELD) }));
const WAIT_MS = 10_000;
const ASK_MS = 200;

/**
 * Lets the held pull of this host's agent through: it removes helpers that the server does not declare any more.
 * @throws Denied without the right to write into the agent's folder; PinholeError `unreachable` without an agent; `timeout`
 */
export async function confirm(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const { host, port } = config.agent.listen;
  const client = new Client({ url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, token: '' });
  const held = async () => (await client.read(ANSWER, 'GET', '/status')).value.held;
  const found = await held();
  if (!found) return print('nothing is held\n');
  const file = confirmationOf(config);
  try {
    rmSync(file, { force: true });
    writeFileSync(file, `${found.id}\n`, { mode: 0o644, flag: 'wx' });
  } catch (error) {
    throw new Denied(`${file} cannot be written (${(error as NodeJS.ErrnoException).code}). Try again with sudo.`);
  }
  for (let waited = 0; (await held())?.id === found.id; waited += ASK_MS) {
    if (waited >= WAIT_MS) throw new PinholeError('timeout', `The agent did not take the confirmation in ${WAIT_MS / 1000} s.`);
    await sleep(ASK_MS);
  }
  print(`confirmed: ${found.removed} of ${found.live} live helpers are removed\n`);
}
