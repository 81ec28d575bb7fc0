import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DesiredState } from '../../src/agent/desired-state.ts';
import { Puller, type PullListener } from '../../src/agent/puller.ts';
import type { FullPull, History, KnownState, PulledRouters, Source } from '../../src/agent/source.ts';
import type { DesiredRouter, Refused } from '../../src/contract/desired-router.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';
import { testPorts } from '../support/ports.ts';

/** A server that answers when the test lets it, and counts what it is asked. */
class ScriptedSource implements Source {
  readonly asked: (readonly string[] | 'all' | 'compared')[] = [];
  readonly routers = new Map<string, DesiredRouter>();
  /** Routers that are told of in a way that cannot be read. */
  refused: Refused[] = [];
  failures = 0;
  unchanged = false;
  history: History = { installation: '00000000000a', epoch: 'e', position: 1 };
  /** Answers wait for this. */
  gate: Promise<void> = Promise.resolve();

  start(): void {}
  onNamespace(): readonly string[] {
    return [];
  }
  async reportStatus(): Promise<void> {}
  async reportState(): Promise<void> {}
  async tellExpectation(): Promise<void> {}

  async pullAll(known: KnownState | null): Promise<FullPull> {
    this.asked.push(known ? 'compared' : 'all');
    await this.#answer();
    const routers = [...this.routers.values()];
    return { history: this.history, pulled: known && this.unchanged ? null : { routers, refused: this.refused } };
  }

  async pull(ids: readonly string[]): Promise<PulledRouters & Pick<History, 'epoch' | 'position'>> {
    this.asked.push(ids);
    await this.#answer();
    const routers = ids.flatMap((id) => this.routers.get(id) ?? []);
    return {
      epoch: this.history.epoch,
      position: this.history.position,
      routers,
      refused: this.refused.filter(({ id }) => ids.includes(id)),
    };
  }

  async #answer(): Promise<void> {
    await this.gate;
    if (this.failures > 0) {
      this.failures--;
      throw new Error('no');
    }
  }
}

describe('puller', () => {
  let directory: string;
  let puller: Puller;
  let ports: ReturnType<typeof testPorts>;
  let source: ScriptedSource;
  let desired: DesiredState;
  let told: string[];
  const statePath = () => join(directory, 'desired.json');

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pht-puller-'));
    ports = testPorts();
    source = new ScriptedSource();
    open();
  });
  afterEach(async () => {
    await puller.close();
    rmSync(directory, { recursive: true });
  });

  function open(): void {
    told = [];
    desired = new DesiredState();
    const listener: PullListener = {
      changed: (netns) => told.push(`changed ${netns}`),
      declared: ({ name }) => told.push(`declared ${name}`),
      gone: (id) => told.push(`gone ${id}`),
      refused: (id, reason) => told.push(`refused ${id}: ${reason}`),
      pulledAll: async ({ isFirst, isNew }) => void told.push(`pulled all${isFirst ? ', first' : ''}${isNew ? '' : ', nothing new'}`),
    };
    puller = new Puller(
      { ...ports, source, desired, statePath: statePath(), maxStateAgeSeconds: 3_600, holdRemovalsPercent: 25 },
      listener,
    );
  }

  function declare(netns: string, revision = 1): DesiredRouter {
    const router = { ...desiredRouter([desiredHelper('ftp', 'tcp', 21)], { netns, name: netns }), revision };
    source.routers.set(router.id, router);
    return router;
  }

  it('holds a pull of a database that is older than what it pulled after a hint', async () => {
    declare('a');
    await pullAll();
    const later = declare('b');
    source.history = { ...source.history, position: 5 };
    puller.hint([later.id]);
    await ports.clock.settle();
    expect([...desired.netnsNames()].sort()).toEqual(['a', 'b']);
    // A copy of the time between, in which nothing but events has happened since.
    source.history = { ...source.history, position: 3 };
    source.routers.delete(later.id);
    await pullAll();
    expect(puller.hold).toMatchObject({ removed: 1, live: 2 });
    expect([...desired.netnsNames()].sort()).toEqual(['a', 'b']);
  });

  /** A gate that is shut, and how to open it. */
  function shut(): () => void {
    let open = () => {};
    source.gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }

  const pullAll = async (options?: { comparing: boolean }) => {
    puller.pullAll(options);
    await ports.clock.settle();
  };

  it('takes a full pull: what is new, what changed and what went, and says so once', async () => {
    const [a, b] = [declare('a'), declare('b')];
    await pullAll();
    expect(told).toEqual(['declared a', 'declared b', 'changed a', 'changed b', 'pulled all, first']);
    told.length = 0;
    source.routers.delete(b.id);
    source.routers.set(a.id, { ...a, netns: 'c', revision: 2 });
    await pullAll();
    expect(told).toEqual([`gone ${b.id}`, 'declared a', 'changed b', 'changed a', 'changed c', 'pulled all']);
    expect([...desired.routers()].map(({ netns }) => netns)).toEqual(['c']);
  });

  it('asks the server to compare only where it has something to compare with', async () => {
    await pullAll({ comparing: true });
    source.unchanged = true;
    await pullAll({ comparing: true });
    expect(source.asked).toEqual(['all', 'compared']);
    expect(told.at(-1)).toBe('pulled all, nothing new');
  });

  it('pulls what hints name, in one question, and only after the first full pull', async () => {
    const [a, b] = [declare('a'), declare('b')];
    puller.hint([a.id]);
    puller.hint([b.id, 'unknown']);
    await ports.clock.settle();
    expect(source.asked).toEqual([]);
    await pullAll();
    expect(source.asked).toEqual(['all', [a.id, b.id, 'unknown']]);
    expect(told).toContain('gone unknown');
    expect(puller.isIdle).toBe(true);
  });

  it('pulls a router again whose hint came while it was being pulled', async () => {
    const a = declare('a');
    await pullAll();
    const open = shut();
    puller.hint([a.id]);
    await ports.clock.settle();
    source.routers.set(a.id, { ...a, revision: 2 });
    puller.hint([a.id]);
    open();
    await ports.clock.settle();
    expect(source.asked).toEqual(['all', [a.id], [a.id]]);
    expect(desired.get(a.id)?.revision).toBe(2);
  });

  it('pulls everything instead of more hints than a full pull costs, or of too many to name', async () => {
    await pullAll();
    puller.hint(Array.from({ length: 10_001 }, (_, index) => `r${index}`));
    await ports.clock.settle();
    puller.hint(null);
    await ports.clock.settle();
    expect(source.asked).toEqual(['all', 'all', 'all']);
  });

  it('tries a full pull again with back-off, and is not idle meanwhile', async () => {
    source.failures = 4;
    await pullAll();
    const waits: number[] = [];
    for (let asked = 2; asked <= 5; asked++) {
      expect(puller.isIdle).toBe(false);
      const before = ports.clock.monotonic();
      await ports.clock.until(() => source.asked.length === asked);
      waits.push(ports.clock.monotonic() - before);
    }
    expect(puller.isIdle).toBe(true);
    for (const [index, wait] of waits.entries()) expect(wait >= 25 * 2 ** index && wait <= 50 * 2 ** index).toBe(true);
  });

  it('has one attempt under way or waiting, however often it is asked for everything while the server is away', async () => {
    source.failures = 1_000;
    for (let round = 0; round < 20; round++) await pullAll({ comparing: true });
    expect(ports.clock.waiting).toBe(1);
    const { length } = source.asked;
    await ports.clock.advance(60_000);
    expect(source.asked.length - length).toBeLessThanOrEqual(60_000 / 2_500);
    source.failures = 0;
    await ports.clock.until(() => puller.isIdle);
    const after = source.asked.length;
    await ports.clock.advance(60_000);
    expect(source.asked.length).toBe(after);
  });

  it('does not let a pull wait that was asked for while one was failing', async () => {
    const open = shut();
    source.failures = 1;
    await pullAll();
    await pullAll();
    open();
    await ports.clock.settle();
    expect(source.asked).toEqual(['all', 'all']);
    expect(told).toEqual(['pulled all, first']);
  });

  it('goes on wanting everything when a comparing pull is asked for after one that failed', async () => {
    await pullAll();
    source.failures = 1;
    await pullAll();
    await pullAll({ comparing: true });
    expect(source.asked).toEqual(['all', 'all', 'all']);
  });

  it('pulls routers again that could not be pulled, and the others meanwhile', async () => {
    const [a, b] = [declare('a'), declare('b')];
    await pullAll();
    source.failures = 1;
    puller.hint([a.id]);
    await ports.clock.settle();
    puller.hint([b.id]);
    await ports.clock.settle();
    expect(source.asked).toEqual(['all', [a.id], [b.id]]);
    await ports.clock.until(() => puller.isIdle);
    expect(source.asked.at(-1)).toEqual([a.id]);
  });

  it('counts questions, and the time that their answers took', async () => {
    const open = shut();
    await pullAll();
    await ports.clock.advance(1_500);
    open();
    await ports.clock.settle();
    expect(puller.counts).toEqual({ pulls: 1, pullSeconds: 1.5 });
  });

  it('saves the desired state a little after it changed, and falls back to it', async () => {
    declare('a');
    await pullAll();
    await puller.close();
    expect(JSON.parse(readFileSync(statePath(), 'utf8'))).toMatchObject({ epoch: 'e', routers: [{ name: 'a' }] });
    await ports.clock.advance(1_000_000);
    open();
    puller.fallBackToDisk();
    expect([told, desired.origin, desired.history]).toEqual([
      ['declared a', 'changed a'],
      { from: 'disk', savedAt: '2026-01-01T00:00:00.000Z' },
      source.history,
    ]);
    await pullAll({ comparing: true });
    expect([source.asked.at(-1), desired.origin]).toEqual(['compared', { from: 'server' }]);
  });

  it.each(['a full pull', 'a hint'])('keeps a router whose new description cannot be read as it was, and says why: %s', async (how) => {
    const a = declare('a');
    await pullAll();
    const again = async () => {
      if (how === 'a hint') puller.hint([a.id]);
      else puller.pullAll();
      await ports.clock.settle();
    };
    source.routers.delete(a.id);
    source.refused = [{ id: a.id, reason: 'no name' }];
    told.length = 0;
    await again();
    expect([desired.get(a.id), desired.unreadable.get(a.id)]).toEqual([a, 'what the server says of this router cannot be read: no name']);
    expect(told).toContain('changed a');
    expect(told).not.toContain(`gone ${a.id}`);
    source.refused = [];
    source.routers.set(a.id, a);
    await again();
    expect(desired.unreadable.size).toBe(0);
  });

  it('says of a router that was never read why it is not served', async () => {
    source.refused = [{ id: 'x', reason: 'no name' }];
    await pullAll();
    expect(told).toEqual(['refused x: what the server says of this router cannot be read: no name', 'pulled all, first']);
  });

  it('does not fall back once it has pulled', async () => {
    await pullAll();
    puller.fallBackToDisk();
    expect(desired.origin).toEqual({ from: 'server' });
  });

  it('asks nothing after it was closed', async () => {
    source.failures = 1;
    await pullAll();
    await puller.close();
    await ports.clock.advance(60_000);
    puller.pullAll();
    expect([source.asked, ports.clock.waiting]).toEqual([['all'], 0]);
  });
});
