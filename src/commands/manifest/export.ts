import { stringify } from 'yaml';
import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters, helpersOf } from '../../client/resources.ts';
import type { Declared } from '../../contract/manifest.ts';
import { toManifest } from '../../manifest/export.ts';
import { systemClock } from '../../ports/clock.ts';
import { Progress } from '../../terminal/progress.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Prints the declared state as a manifest for `pinhole apply`: YAML, or JSON with `--json`. */
export async function exportAll(flags: ClientFlags): Promise<void> {
  const manifest = toManifest(await declared(new Client(flags)));
  if (flags.json) printJson(manifest);
  else print(stringify(manifest));
}

/** Every router that the token may see, with its helpers. */
async function declared(client: Client): Promise<Declared[]> {
  const routers = (await allRouters(client)).map(({ value }) => value);
  const progress = new Progress('reading', systemClock);
  const found: Declared[] = [];
  for (const router of routers) {
    found.push({ router, helpers: (await helpersOf(client, router.id)).map(({ value }) => value) });
    progress.update(found.length, routers.length);
  }
  progress.end();
  return found;
}
