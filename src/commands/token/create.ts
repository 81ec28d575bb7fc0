import { Client, type ClientFlags } from '../../client/client.ts';
import { print, printJson } from '../../terminal/table.ts';

export interface CreateFlags extends ClientFlags {
  readonly role: string;
  readonly project?: string;
  readonly description?: string;
  readonly expires?: string;
}

/** Makes a token and prints its secret, once. */
export async function create({ role, project, description, expires, ...flags }: CreateFlags): Promise<void> {
  const made = await new Client(flags).call<{ token: string }>('POST', '/v1/tokens', {
    role,
    ...(project === undefined ? {} : { project_id: project }),
    ...(description === undefined ? {} : { description }),
    ...(expires === undefined ? {} : { expires_at: expires }),
  });
  if (flags.json) printJson(made);
  else print(`${made.token}\n`);
}
