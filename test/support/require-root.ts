import { removeOrphans } from '../../src/lab/scratch-network.ts';

export async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('system tests need root: they make network namespaces');
  await removeOrphans('pht');
}
