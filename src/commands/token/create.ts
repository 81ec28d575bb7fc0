import { kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { NEW_TOKEN } from '../../contract/token.ts';
import { print, printJson } from '../../terminal/table.ts';

/** The flags of `token create`. */
export interface CreateFlags extends ClientFlags {
  readonly role: string;
  readonly project?: string;
  readonly description?: string;
  readonly expires?: string;
}

/** Makes a token and prints its text. The server stores only a hash, so the text cannot be shown again. */
export async function create({ role, project, description, expires, ...flags }: CreateFlags): Promise<void> {
  const made = await new Client(flags).read(kept(NEW_TOKEN), 'POST', '/v1/tokens', {
    role,
    ...(project === undefined ? {} : { project_id: project }),
    ...(description === undefined ? {} : { description }),
    ...(expires === undefined ? {} : { expires_at: expires }),
  });
  if (flags.json) printJson(made.json);
  else print(`${made.value.token}\n`);
}
