import { describe, expect, it } from 'vitest';
import { ExpectationWatch } from '../../src/agent/expectation-watch.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { EXPECTATION } from '../support/expectation.ts';
import { testPorts } from '../support/ports.ts';

const only = (...ids: string[]) => new Set(ids);

describe('servers that watch the expectations of a host', () => {
  function harness() {
    const kernel = new FakeKernel();
    const told: string[] = [];
    const ports = testPorts();
    const netnses: Readonly<Record<string, string>> = { a: 'of-a', b: 'of-b', c: 'of-c' };
    const watch = new ExpectationWatch(
      { kernel, tell: async (topic, { routerId }) => void told.push(`${topic} ${routerId}`), netnsOf: (id) => netnses[id] ?? null },
      ports,
    );
    const change = (routerId: string) => watch.onChange({ routerId, change: 'new', expectation: EXPECTATION, leftOut: 0 });
    return { kernel, told, watch, change, clock: ports.clock };
  }

  it('hear of the routers that they watch, and the kernel is asked for those', async () => {
    const { kernel, told, watch, change } = harness();
    await watch.watch({ topic: 'one', seconds: 30, routers: only('a') });
    await watch.watch({ topic: 'two', seconds: 30, routers: only('a', 'b', 'of another host') });
    expect(kernel.watched).toEqual(only('of-a', 'of-b'));
    for (const router of ['a', 'b', 'c']) change(router);
    expect(told).toEqual(['one a', 'two a', 'two b']);
  });

  it('hear of all that an older server asks for without names', async () => {
    const { kernel, told, watch, change } = harness();
    await watch.watch({ topic: 'old', seconds: 30, routers: null });
    expect(kernel.watched).toBeNull();
    change('c');
    expect(told).toEqual(['old c']);
  });

  it('hear of what they asked for last, and of nothing once their time is over', async () => {
    const { kernel, told, watch, change, clock } = harness();
    await watch.watch({ topic: 'one', seconds: 30, routers: only('a', 'b') });
    await clock.advance(20_000);
    await watch.watch({ topic: 'one', seconds: 30, routers: only('b') });
    expect(kernel.watched).toEqual(only('of-b'));
    await clock.advance(20_000);
    change('b');
    await clock.advance(20_000);
    expect(kernel.watched).toEqual(only());
    change('b');
    expect(told).toEqual(['one b']);
  });
});
