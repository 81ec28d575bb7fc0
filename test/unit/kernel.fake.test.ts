import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { kernelContract } from '../support/kernel-contract.ts';

kernelContract('fake', async () => {
  const kernel = new FakeKernel({ allowed: (netns) => netns.startsWith('t-') });
  const netns = (name: string) => `t-${name}`;
  return {
    kernel,
    netns,
    addNamespace: async (name) => kernel.addNamespace(netns(name)),
    removeNamespace: async (name) => kernel.removeNamespace(netns(name)),
    others: async (name, act) => {
      switch (act) {
        case 'flush our rules':
          return kernel.meddle(
            netns(name),
            (table) => table && { ...table, chains: table.chains.map((chain) => ({ ...chain, rules: [] })) },
          );
        case 'delete our table':
          return kernel.meddle(netns(name), () => null);
        case 'write into our table':
          return kernel.meddle(netns(name), (table) => table, ['expression counter']);
        case 'change a table of theirs':
          return kernel.meddle(netns(name), (table) => table);
      }
    },
    close: () => kernel.close(),
  };
});
