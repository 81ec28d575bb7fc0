import { stringify } from 'yaml';
import { Client, type ClientFlags } from '../../client/client.ts';
import { toManifest } from '../../manifest/export.ts';
import { print, printJson } from '../../terminal/table.ts';
import { declared } from './steps.ts';

/** Prints the declared state as a manifest for `pinhole apply`: YAML, or JSON with `--json`. */
export async function exportAll(flags: ClientFlags): Promise<void> {
  const manifest = toManifest(await declared(new Client(flags)));
  if (flags.json) printJson(manifest);
  else print(stringify(manifest));
}
