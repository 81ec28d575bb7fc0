import { Client, type ClientFlags } from '../client/client.ts';
import type { ConfigFlags } from '../config/config.ts';
import { type Column, print, printJson, table } from '../terminal/table.ts';

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

/** What `pinhole up` does by itself: the server adopts the token when it starts. */
export async function init(flags: ConfigFlags): Promise<void> {
  const [{ loadConfig }, { ensureAdminToken, prepareHost }] = await Promise.all([
    import('../config/config.ts'),
    import('../supervisor/supervisor.ts'),
  ]);
  const config = loadConfig(flags, process.env);
  ensureAdminToken(config, prepareHost(config));
}

export async function create(
  flags: ClientFlags & { role: string; project?: string; description?: string; expires?: string },
): Promise<void> {
  const made = await new Client(flags).call<TokenJson & { token: string }>('POST', '/v1/tokens', {
    role: flags.role,
    ...(flags.project === undefined ? {} : { project_id: flags.project }),
    ...(flags.description === undefined ? {} : { description: flags.description }),
    ...(flags.expires === undefined ? {} : { expires_at: flags.expires }),
  });
  if (flags.json) printJson(made);
  else print(`${made.token}\n`);
}

export async function list(flags: ClientFlags): Promise<void> {
  const { tokens } = await new Client(flags).get<{ tokens: TokenJson[] }>('/v1/tokens');
  if (flags.json) printJson(tokens);
  else print(table(tokens, COLUMNS));
}

export async function revoke(id: string, flags: ClientFlags): Promise<void> {
  await new Client(flags).call('DELETE', `/v1/tokens/${encodeURIComponent(id)}`);
  if (flags.json) printJson({ revoked: id });
  else print(`token ${id} is revoked\n`);
}
