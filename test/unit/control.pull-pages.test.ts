import { describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import type { Bus, Handler } from '../../src/bus/interface.ts';
import type { ConntrackHelper } from '../../src/contract/helper.ts';
import type { RouterId } from '../../src/contract/primitives.ts';
import type { Router } from '../../src/contract/router.ts';
import type { Context } from '../../src/control/context.ts';
import { AgentRpc } from '../../src/control/rpc.ts';

const HOST = 'h';
const AT = '2026-01-01T00:00:00.000Z';

function uuid(kind: number, index: number): string {
  return `${kind.toString(16).padStart(8, '0')}-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
}

/** A server whose store holds routers with so many helpers each, and an agent that asks it. Counts the rows that are read. */
function pair(helpersOf: readonly number[]) {
  const routers = helpersOf.map(
    (_, index) =>
      ({ id: uuid(1, index), name: `r${index}`, host: HOST, netns: `n${index}`, revision: 1, confinement: null }) as unknown as Router,
  );
  const read = { helpers: 0, pages: 0 };
  const helpersOfMany = async (ids: readonly string[]) => {
    const found = ids.flatMap((id) => {
      const router = routers.findIndex((one) => one.id === id);
      return Array.from({ length: helpersOf[router] ?? 0 }, (_, port) => ({
        ...{ id: uuid(2 + router, port), routerId: id as RouterId, helper: 'ftp', protocol: 'tcp', port: port + 1 },
        ...{ scope: null, expiresAt: null, description: '', revision: 1, createdAt: AT, updatedAt: AT },
      }));
    });
    read.helpers += found.length;
    return found as unknown as ConntrackHelper[];
  };
  const store = {
    chain: 'c',
    read: {
      helpersOfMany,
      history: async () => ({ installation: '0123456789ab', epoch: 'e', position: 1 }),
      revisionsOfHost: async () => [],
      routersOfHost: async (_host: string, marker: string, limit: number) => {
        read.pages++;
        return routers.filter(({ id }) => id > marker).slice(0, limit);
      },
    },
  };
  const handlers = new Map<string, Handler>();
  const bus = {
    serve: (topic: string, handler: Handler) => void handlers.set(topic, handler),
    call: async (topic: string, method: string, args: Record<string, unknown>) =>
      JSON.parse(JSON.stringify(await handlers.get(topic)?.(method, JSON.parse(JSON.stringify(args)), { user: null }))),
  } as unknown as Bus;
  new AgentRpc({ bus, store, userOfHost: () => null } as unknown as Context, {} as never, {} as never).start();
  return { agent: new ServerClient(bus, HOST), read };
}

describe('a pull of all routers of a host', () => {
  it.each([
    ['none', []],
    ['one without helpers', [0]],
    ['many small ones, more than a page holds', Array(1_201).fill(2)],
    ['a page exactly', Array(500).fill(1)],
    ['large ones, of which few fit into a page', Array(60).fill(1_000)],
    ['small ones before large ones', [...Array(40).fill(1), ...Array(40).fill(900), ...Array(40).fill(0)]],
  ])('brings each once, in order, and reads few helpers more than it brings: %s', async (_what, helpersOf: readonly number[]) => {
    const { agent, read } = pair(helpersOf);
    const { pulled } = await agent.pullAll(null);
    expect(pulled?.refused).toEqual([]);
    expect(pulled?.routers.map(({ netns, helpers }) => [netns, helpers.length])).toEqual(
      helpersOf.map((count, index) => [`n${index}`, count]),
    );
    const brought = helpersOf.reduce((sum, count) => sum + count, 0);
    expect(read.helpers).toBeLessThanOrEqual(3 * brought);
  });
});
