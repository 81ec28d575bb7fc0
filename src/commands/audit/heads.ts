import { Client, type ClientFlags } from '../../client/client.ts';
import { printJson } from '../../terminal/table.ts';
import type { ChainJson } from './audit-json.ts';

/** Prints the signed heads as they are now. Kept elsewhere, they tell later whether what they cover is still as it was. */
export async function heads(flags: ClientFlags): Promise<void> {
  const { chains } = await new Client(flags).get<{ chains: ChainJson[] }>('/v1/audit/chains');
  printJson({ heads: chains.flatMap(({ signed }) => signed ?? []) });
}
