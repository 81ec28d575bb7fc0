import { stringify } from 'yaml';
import { Client, type ClientFlags } from '../../client/client.ts';
import { toManifest } from '../../manifest/export.ts';
import { print, printJson } from '../../terminal/table.ts';
import { declared } from './steps.ts';

/** Writes the declared state as a file for `pinhole apply`. */
export async function exportAll(flags: ClientFlags): Promise<void> {
  const manifest = toManifest(await declared(new Client(flags)));
  if (flags.json) printJson(manifest);
  else print(stringify(manifest));
}
