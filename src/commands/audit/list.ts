import { Client, type ClientFlags } from '../../client/client.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';
import type { EntryJson } from './audit-json.ts';

const COLUMNS: readonly Column<EntryJson>[] = [
  { title: 'AT', value: ({ at }) => at },
  { title: 'ACTOR', value: ({ actor }) => actor },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'TARGET', value: ({ target }) => target },
  { title: 'PROJECT', value: ({ project_id }) => project_id || '-' },
  { title: 'REQUEST', value: ({ request_id }) => request_id },
];

export interface ListFlags extends ClientFlags {
  readonly limit?: string;
  readonly action?: string;
  readonly target?: string;
  readonly project?: string;
}

/** Lists entries of the audit, newest first. */
export async function list({ limit = '50', action, target, project, ...flags }: ListFlags): Promise<void> {
  const query = new URLSearchParams({
    limit,
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
    ...(project === undefined ? {} : { project_id: project }),
  });
  const { entries } = await new Client(flags).get<{ entries: EntryJson[] }>(`/v1/audit?${query}`);
  if (flags.json) printJson(entries);
  else print(table(entries, COLUMNS));
}
