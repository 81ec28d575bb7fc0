import { ANY_NUMBER, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { list as listOf } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { TOKEN, type TokenView } from '../../contract/token.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

const TOKENS = record({ tokens: listOf(kept(TOKEN), ANY_NUMBER) });

const COLUMNS: readonly Column<TokenView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'PROJECT', value: ({ projectId }) => projectId ?? '-' },
  { title: 'CREATED', value: ({ createdAt }) => createdAt },
  {
    title: 'STATE',
    value: ({ revokedAt, expiresAt }) => (revokedAt ? `revoked ${revokedAt}` : expiresAt ? `until ${expiresAt}` : 'valid'),
  },
  { title: 'DESCRIPTION', value: ({ description }) => description },
];

/** Prints all tokens without their secrets, which the server does not have. */
export async function list(flags: ClientFlags): Promise<void> {
  const { tokens } = await new Client(flags).read(TOKENS, 'GET', '/v1/tokens');
  if (flags.json) printJson(tokens.map(({ json }) => json));
  else
    print(
      table(
        tokens.map(({ value }) => value),
        COLUMNS,
      ),
    );
}
