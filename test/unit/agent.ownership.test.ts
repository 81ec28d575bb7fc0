import { afterEach, describe, expect, it } from 'vitest';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import { formatStamp, installationOf, parseStamp, type Table } from '../../src/model/table.ts';
import { contentDigest, render } from '../../src/plan/render.ts';
import type { Arguments } from '../../src/wire/message.ts';
import { PLAN } from '../../src/wire/messages.ts';
import { AgentHarness, INSTALLATION_A, INSTALLATION_B } from '../support/agent-harness.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter } from '../support/arbitraries.ts';

const FTP = () => desiredHelper('ftp', 'tcp', 21);
const TFTP = () => desiredHelper('tftp', 'udp', 69);

/** A table as an installation writes it; null: as Pinhole 0.1 wrote it. */
function tableOf(installation: string | null, ...helpers: DesiredHelper[]): Table {
  const { table } = render(desiredRouter(helpers), ALL_CAPABILITIES, new Date(0), installation);
  if (!table) throw new Error('these helpers make no table');
  return table;
}

describe('whose table', () => {
  const open: AgentHarness[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((harness) => harness.close()));
  });

  function harness(...options: ConstructorParameters<typeof AgentHarness>): AgentHarness {
    const made = new AgentHarness(...options);
    open.push(made);
    return made;
  }

  /** A namespace in which a table stands already; null: none. */
  function standing(at: AgentHarness, netns: string, table: Table | null): void {
    at.kernel.addNamespace(netns);
    at.kernel.meddle(netns, () => table);
  }

  function declare(at: AgentHarness, netns: string, ...helpers: DesiredHelper[]): DesiredRouter {
    const router = desiredRouter(helpers, { netns, name: netns });
    at.server.set(router);
    return router;
  }

  const reasonOf = (at: AgentHarness, { id }: DesiredRouter) => at.server.reports.get(id)?.reason ?? '';
  const statusOf = (at: AgentHarness, { id }: DesiredRouter) => at.server.reports.get(id)?.helpers[0]?.families[0];
  const ownerIn = (at: AgentHarness, netns: string) => installationOf(at.kernel.table(netns)?.comment ?? '');

  it('stamps its tables with the installation that the server tells', async () => {
    const at = harness();
    standing(at, 'a', null);
    const router = declare(at, 'a', FTP());
    await at.start();
    const table = at.kernel.table('a') as Table;
    expect(parseStamp(table.comment)).toEqual({ installation: INSTALLATION_A, revision: router.revision, sha256: contentDigest(table) });
  });

  it('leaves the table of another installation alone where it declares a router, says why, and takes its place once it is gone', async () => {
    const at = harness();
    const theirs = tableOf(INSTALLATION_B, TFTP());
    standing(at, 'a', theirs);
    const router = declare(at, 'a', FTP());
    await at.start();
    await at.clock.until(() => reasonOf(at, router) !== '');
    expect(reasonOf(at, router)).toContain(`table inet pinhole in a belongs to installation ${INSTALLATION_B}; it is left alone`);
    expect(reasonOf(at, router)).toContain(`pinhole adopt ${INSTALLATION_B}`);
    expect(statusOf(at, router)).toMatchObject({ status: 'ERROR', reason: reasonOf(at, router) });
    for (const again of ['resync', 'change', 'removal']) {
      if (again === 'resync') at.server.connect();
      if (again === 'change') at.server.set({ ...router, helpers: [FTP(), TFTP()], revision: 2 });
      if (again === 'removal') at.server.routers.delete(router.id);
      at.server.hint(router.id);
      await at.settled();
      expect([again, at.kernel.table('a')]).toEqual([again, theirs]);
    }
    at.server.set(router);
    at.server.hint(router.id);
    await at.settled();
    expect(at.kernel.counts.applies).toBe(0);
    at.kernel.meddle('a', () => null);
    await at.clock.until(() => at.types('a').length === 1);
    await at.clock.until(() => reasonOf(at, router) === '');
    expect(ownerIn(at, 'a')).toBe(INSTALLATION_A);
  });

  it('does not fight over a table, however often the other installation writes it', async () => {
    const at = harness();
    standing(at, 'a', tableOf(INSTALLATION_B, TFTP()));
    declare(at, 'a', FTP());
    await at.start();
    for (let round = 0; round < 50; round++) {
      at.kernel.meddle('a', () => tableOf(INSTALLATION_B, desiredHelper('ftp', 'tcp', 1_000 + round)));
      await at.clock.advance(100);
    }
    expect([at.kernel.counts.applies, at.agent.counts.failures, at.agent.counts.drifts]).toEqual([0, 0, 0]);
  });

  it('leaves what another installation put in the place of its own table between the look and the write', async () => {
    const at = harness();
    standing(at, 'a', null);
    const router = declare(at, 'a', FTP());
    const theirs = tableOf(INSTALLATION_B, TFTP());
    at.kernel.beforeApply = () => {
      at.kernel.beforeApply = () => undefined;
      at.kernel.meddleUnseen('a', () => theirs);
    };
    await at.start();
    await at.clock.until(() => reasonOf(at, router).includes('belongs to installation'));
    expect(at.kernel.table('a')).toEqual(theirs);
  });

  it('an agent whose server has an empty database leaves the tables of the one before alone', async () => {
    const at = harness();
    for (const netns of ['a', 'b']) standing(at, netns, null);
    const [a, b] = [declare(at, 'a', FTP()), declare(at, 'b', TFTP())];
    await at.start();
    await at.agent.close();
    at.server.routers.clear();
    at.server.history = { installation: INSTALLATION_B, epoch: 'other', position: 0 };
    at.agent = at.create();
    await at.start();
    await at.settled();
    expect([at.types('a'), at.types('b'), ownerIn(at, 'a')]).toEqual([['ftp'], ['tftp'], INSTALLATION_A]);
    at.server.hint(a.id, b.id);
    at.server.connect();
    await at.settled();
    expect([at.types('a'), at.types('b')]).toEqual([['ftp'], ['tftp']]);
  });

  it('a server that is exchanged for one of another installation while the agent runs takes no table away', async () => {
    const at = harness();
    for (const netns of ['a', 'b']) standing(at, netns, null);
    declare(at, 'a', FTP());
    const b = declare(at, 'b', TFTP());
    await at.start();
    at.server.routers.clear();
    at.server.set(b);
    at.server.history = { installation: INSTALLATION_B, epoch: 'other', position: 0 };
    at.server.connect();
    await at.clock.until(() => reasonOf(at, b).includes('belongs to installation'));
    expect([at.types('a'), at.types('b')]).toEqual([['ftp'], ['tftp']]);
  });

  it.each([
    ['the same', FTP],
    ['other', TFTP],
  ])('adopts a table of Pinhole 0.1 with %s content, once, where it serves a router with helpers', async (_what, helper) => {
    const at = harness();
    standing(at, 'a', tableOf(null, helper()));
    declare(at, 'a', FTP());
    await at.start();
    expect([at.types('a'), ownerIn(at, 'a'), at.kernel.counts.applies]).toEqual([['ftp'], INSTALLATION_A, 1]);
    expect(at.agent.counts.drifts).toBe(0);
  });

  it('leaves a table of Pinhole 0.1 alone where no router of its own has helpers', async () => {
    const at = harness();
    for (const netns of ['a', 'b']) standing(at, netns, tableOf(null, FTP()));
    const router = declare(at, 'a');
    await at.start();
    await at.settled();
    await at.clock.until(() => reasonOf(at, router) !== '');
    expect(reasonOf(at, router)).toContain("'pinhole purge --installation none' removes it");
    expect([at.types('a'), at.types('b'), at.kernel.counts.applies]).toEqual([['ftp'], ['ftp'], 0]);
  });

  it('removes a table of Pinhole 0.1 whose router went during the upgrade: the state file tells whose it was', async () => {
    const at = harness();
    standing(at, 'a', null);
    const router = declare(at, 'a', FTP());
    at.server.history = { epoch: 'e' };
    await at.start();
    expect(at.kernel.table('a')?.comment).toMatch(/^pinhole:v1 /);
    await at.agent.close();
    at.server.routers.delete(router.id);
    at.server.history = { installation: INSTALLATION_A, epoch: 'e', position: 1 };
    at.agent = at.create();
    await at.start();
    await at.settled();
    expect(at.kernel.table('a')).toBeNull();
  });

  it('beside a server that tells no installation, removes what it wrote itself and nothing that names an owner', async () => {
    const at = harness();
    at.server.history = { epoch: 'e' };
    standing(at, 'a', null);
    standing(at, 'b', tableOf(INSTALLATION_B, FTP()));
    const [a, b] = [declare(at, 'a', FTP()), declare(at, 'b', FTP())];
    await at.start();
    await at.clock.until(() => reasonOf(at, b).includes(`installation ${INSTALLATION_B}`));
    at.server.set({ ...a, helpers: [], revision: 2 });
    at.server.routers.delete(b.id);
    at.server.hint(a.id, b.id);
    await at.settled();
    expect([at.kernel.table('a'), at.types('b')]).toEqual([null, ['ftp']]);
  });

  it('keeps its installation while a server of the version before does not tell it', async () => {
    const at = harness();
    standing(at, 'a', null);
    const router = declare(at, 'a', FTP());
    await at.start();
    await at.agent.close();
    at.server.history = { epoch: 'e' };
    at.server.set({ ...router, helpers: [FTP(), TFTP()], revision: 2 });
    at.agent = at.create();
    await at.start();
    expect([at.types('a'), ownerIn(at, 'a')]).toEqual([['ftp', 'tftp'], INSTALLATION_A]);
  });

  it('gives its own tables the new stamp without a gap once the server tells its installation, and counts no drift', async () => {
    const at = harness();
    at.server.history = { epoch: 'e' };
    standing(at, 'a', null);
    declare(at, 'a', FTP());
    await at.start();
    at.server.history = { installation: INSTALLATION_A, epoch: 'e', position: 1 };
    at.agent = at.create();
    await at.start();
    expect([at.types('a'), ownerIn(at, 'a'), at.agent.counts.drifts]).toEqual([['ftp'], INSTALLATION_A, 0]);
  });

  it('says in a plan that the table is another installation’s, and plans no change of it', async () => {
    const at = harness();
    standing(at, 'a', tableOf(INSTALLATION_B, TFTP()));
    const router = declare(at, 'a', FTP());
    await at.start();
    expect(await at.server.ask(PLAN.method, PLAN.request.write({ router }) as Arguments)).toMatchObject({
      changes: [],
      foreign: [expect.stringContaining(`belongs to installation ${INSTALLATION_B}`)],
    });
  });
});

describe('a stamp', () => {
  it('fits into what nft takes back from a saved ruleset', () => {
    const stamp = { installation: INSTALLATION_A, revision: 999_999_999_999_999, sha256: 'f'.repeat(64) };
    expect(formatStamp(stamp).length).toBeLessThanOrEqual(128);
    expect(parseStamp(formatStamp(stamp))).toEqual(stamp);
  });

  it.each([
    ['pinhole:v1 rev=1 sha256=00', null],
    ['pinhole:v2 installation=0123456789ab rev=1 sha256=00', '0123456789ab'],
    ['pinhole:v3 installation=0123456789ab and=more', '0123456789ab'],
    ['pinhole:v2 installation=0123456789abc rev=1', null],
    ['my pinhole:v2 installation=0123456789ab rev=1', null],
    ['', null],
  ])('names its installation, also one of a later version: %s', (comment, installation) => {
    expect(installationOf(comment)).toBe(installation);
  });
});
