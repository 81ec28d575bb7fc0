import { ANY_NUMBER, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { AUDIT_ENTRY, type StoredAudit } from '../../contract/audit.ts';
import { list as listOf } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

const ENTRIES = record({ entries: listOf(kept(AUDIT_ENTRY), ANY_NUMBER) });

const COLUMNS: readonly Column<StoredAudit>[] = [
  { title: 'AT', value: ({ at }) => at },
  { title: 'ACTOR', value: ({ actor }) => actor },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'TARGET', value: ({ target }) => target },
  { title: 'PROJECT', value: ({ projectId }) => projectId || '-' },
  { title: 'REQUEST', value: ({ requestId }) => requestId },
];

/** The flags of `audit list`: `limit` is a number, the others are the ids and names to filter by. */
export interface ListFlags extends ClientFlags {
  readonly limit?: string;
  readonly action?: string;
  readonly target?: string;
  readonly project?: string;
}

/** Prints entries of the audit log, newest first: at most `limit` (default 50), which match every filter. */
export async function list({ limit = '50', action, target, project, ...flags }: ListFlags): Promise<void> {
  const query = new URLSearchParams({
    limit,
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
    ...(project === undefined ? {} : { project_id: project }),
  });
  const { entries } = await new Client(flags).read(ENTRIES, 'GET', `/v1/audit?${query}`);
  if (flags.json) printJson(entries.map(({ json }) => json));
  else
    print(
      table(
        entries.map(({ value }) => value),
        COLUMNS,
      ),
    );
}
