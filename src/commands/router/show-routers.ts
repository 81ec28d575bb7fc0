import type { Answer } from '../../client/answer.ts';
import type { ClientFlags } from '../../client/client.ts';
import { showNetns } from '../../contract/netns.ts';
import type { Router } from '../../contract/router.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

const COLUMNS: readonly Column<Router>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'HOST', value: ({ host }) => host ?? '-' },
  { title: 'NETNS', value: ({ netns }) => showNetns(netns) },
  { title: 'PROJECT', value: ({ projectId }) => projectId || '-' },
  { title: 'CONFINED', value: ({ confinement }) => (confinement ? 'yes' : 'no') },
  { title: 'REVISION', value: ({ revision }) => String(revision) },
];

/** Prints routers as a table; with `--json`, the API's objects as an array. */
export function showRouters(routers: readonly Answer<Router>[], flags: ClientFlags): void {
  if (flags.json) printJson(routers.map(({ json }) => json));
  else print(tableOf(routers));
}

/** Prints one router as a table; with `--json`, the API's object. */
export function showRouter(router: Answer<Router>, flags: ClientFlags): void {
  if (flags.json) printJson(router.json);
  else print(tableOf([router]));
}

function tableOf(routers: readonly Answer<Router>[]): string {
  return table(
    routers.map(({ value }) => value),
    COLUMNS,
  );
}
