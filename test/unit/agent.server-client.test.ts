import { describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import type { Arguments, Bus } from '../../src/bus/interface.ts';
import { itemOf } from '../../src/contract/mismatch.ts';
import { record } from '../../src/contract/record.ts';
import { json, literal } from '../../src/contract/scalars.ts';
import { read } from '../../src/contract/shape.ts';
import { errorFromData, errorToData } from '../../src/model/errors.ts';
import { PULL } from '../../src/wire/messages.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';

/** The request as a server of the version before reads it. */
const BEFORE = record({ resourceType: literal('PinholeRouter'), version: literal('2.0'), filterKwargs: json(10_000) });
const ROUTERS = [desiredRouter([desiredHelper('ftp', 'tcp', 21)]), desiredRouter([])].map((router) => ({ ...router, refused: [] }));

/** A server of this version or of the one before, which answers page by page. */
class PagedServer implements Bus {
  readonly refused = 0;
  readonly versions: unknown[] = [];
  /** Epochs of the answers, in order. */
  epochs: string[] = [];
  isOld = false;

  async call(_topic: string, method: string, args: Arguments): Promise<unknown> {
    this.versions.push(args['version']);
    try {
      if (this.isOld) read(BEFORE, args, method);
      const { ids, marker, version } = read(PULL.request, args, method);
      const at = marker === null ? 0 : ROUTERS.findIndex(({ id }) => id === marker) + 1;
      const routers = (ids ? ROUTERS : ROUTERS.slice(at, at + 1)).map(itemOf);
      const next = ids || at + 1 === ROUTERS.length ? null : (ROUTERS[at]?.id ?? null);
      const history = version === '2.1' ? { installation: 'aaaaaaaaaaaa', position: 7 } : {};
      return PULL.answer.write({ ...history, epoch: this.epochs.shift() ?? 'e', routers, marker: next, unchanged: false });
    } catch (error) {
      throw errorFromData(errorToData(error));
    }
  }

  async cast(): Promise<void> {}
  serve(): void {}
  onLink(): void {}
  async close(): Promise<void> {}
}

describe('an agent’s pulls from a server', () => {
  it('tell whose database it is, and are put together from pages', async () => {
    const server = new PagedServer();
    expect(await new ServerClient(server, 'h').pullAll(null)).toEqual({
      history: { installation: 'aaaaaaaaaaaa', epoch: 'e', position: 7 },
      pulled: { routers: ROUTERS, refused: [] },
    });
    expect(server.versions).toEqual(['2.1', '2.1']);
  });

  it('go on with a server of the version before, and ask a server that was upgraded for all that it tells', async () => {
    const server = new PagedServer();
    const client = new ServerClient(server, 'h');
    server.isOld = true;
    expect(await client.pullAll(null)).toEqual({
      history: { installation: null, epoch: 'e', position: null },
      pulled: { routers: ROUTERS, refused: [] },
    });
    expect((await client.pull(['x'])).routers).toEqual(ROUTERS);
    expect(server.versions).toEqual(['2.1', '2.0', '2.0', '2.0']);
    server.isOld = false;
    expect((await client.pullAll(null)).history.installation).toBe('aaaaaaaaaaaa');
  });

  it('are not put together from pages of two databases', async () => {
    const server = new PagedServer();
    server.epochs = ['e', 'other'];
    await expect(new ServerClient(server, 'h').pullAll(null)).rejects.toThrow('different databases');
  });
});
