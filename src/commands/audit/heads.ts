import { ANY_NUMBER, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { SIGNED_HEAD } from '../../contract/audit.ts';
import { list, nullable } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { printJson } from '../../terminal/table.ts';

const SIGNED_CHAINS = record({ chains: list(record({ signed: nullable(kept(SIGNED_HEAD)) }), ANY_NUMBER) });

/**
 * Prints the newest signed head of every chain as JSON. Kept in another place, they show later whether the entries up to them are
 * unchanged (`audit verify --heads`).
 */
export async function heads(flags: ClientFlags): Promise<void> {
  const { chains } = await new Client(flags).read(SIGNED_CHAINS, 'GET', '/v1/audit/chains');
  printJson({ heads: chains.flatMap(({ signed }) => signed?.json ?? []) });
}
