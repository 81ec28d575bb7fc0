import type { Answer } from '../../client/answer.ts';
import type { ClientFlags } from '../../client/client.ts';
import { showNetns } from '../../contract/netns.ts';
import type { Router } from '../../contract/router.ts';
import { type NarrowColumn, narrowTable } from '../../terminal/narrow.ts';
import { print, printJson } from '../../terminal/table.ts';

const COLUMNS: readonly NarrowColumn<Router>[] = [
  { title: 'ID', value: ({ id }) => id, below: true },
  { title: 'NAME', value: ({ name }) => name, cut: true },
  { title: 'HOST', value: ({ host }) => host ?? '-', cut: true },
  { title: 'NETNS', value: ({ netns }) => showNetns(netns), below: true },
  { title: 'PROJECT', value: ({ projectId }) => projectId || '-', below: true },
  { title: 'CONFINED', value: ({ confinement }) => (confinement ? 'yes' : 'no') },
  { title: 'REVISION', value: ({ revision }) => String(revision) },
];

const LABELS: NarrowColumn<Router> = {
  title: 'LABELS',
  value: ({ labels }) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  below: true,
};

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
  return narrowTable(
    routers.map(({ value }) => value),
    routers.some(({ value: { labels } }) => Object.keys(labels).length > 0) ? [...COLUMNS, LABELS] : COLUMNS,
  );
}
