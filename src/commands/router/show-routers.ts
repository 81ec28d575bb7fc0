import type { ClientFlags } from '../../client/client.ts';
import type { RouterJson } from '../../client/resources.ts';
import { showNetns } from '../../contract/netns.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

const COLUMNS: readonly Column<RouterJson>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'HOST', value: ({ host }) => host ?? '-' },
  { title: 'NETNS', value: ({ netns }) => showNetns(netns) },
  { title: 'PROJECT', value: ({ project_id }) => project_id || '-' },
  { title: 'CONFINED', value: ({ confine }) => (confine ? 'yes' : 'no') },
  { title: 'REVISION', value: ({ revision }) => String(revision) },
];

/** Prints routers as a table, or as a JSON array. */
export function showRouters(routers: readonly RouterJson[], flags: ClientFlags): void {
  if (flags.json) printJson(routers);
  else print(table(routers, COLUMNS));
}

/** Prints one router as a table, or as a JSON object. */
export function showRouter(router: RouterJson, flags: ClientFlags): void {
  if (flags.json) printJson(router);
  else showRouters([router], flags);
}
