import { Client, type ClientFlags } from '../../client/client.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

interface TokenJson {
  readonly id: string;
  readonly role: string;
  readonly project_id: string | null;
  readonly description: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
}

const COLUMNS: readonly Column<TokenJson>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'PROJECT', value: ({ project_id }) => project_id ?? '-' },
  { title: 'CREATED', value: ({ created_at }) => created_at },
  {
    title: 'STATE',
    value: ({ revoked_at, expires_at }) => (revoked_at ? `revoked ${revoked_at}` : expires_at ? `until ${expires_at}` : 'valid'),
  },
  { title: 'DESCRIPTION', value: ({ description }) => description },
];

/** Lists tokens. The API does not give their secrets again. */
export async function list(flags: ClientFlags): Promise<void> {
  const { tokens } = await new Client(flags).get<{ tokens: TokenJson[] }>('/v1/tokens');
  if (flags.json) printJson(tokens);
  else print(table(tokens, COLUMNS));
}
