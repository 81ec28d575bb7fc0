import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ANY_NUMBER } from '../../src/client/answer.ts';
import { list } from '../../src/contract/compounds.ts';
import { HELPER } from '../../src/contract/helper.ts';
import { record } from '../../src/contract/record.ts';
import { ROUTER, type Router } from '../../src/contract/router.ts';
import type { Of, Shape } from '../../src/contract/shape.ts';
import { ROUTER_STATUS } from '../../src/contract/status.ts';
import { Instance } from '../../src/lab/instance.ts';
import { CLI } from './cli-path.ts';
import { eventually } from './eventually.ts';
import { refuseUncaught } from './uncaught.ts';

/** A helper in the Neutron dialect, as far as tests look at it. */
const NEUTRON_HELPER = record({ id: HELPER.fields.id, port: HELPER.fields.port });
const NEUTRON_ANSWER = record({ conntrackHelper: NEUTRON_HELPER });
const NEUTRON_LIST = record({ conntrackHelpers: list(NEUTRON_HELPER, ANY_NUMBER) });

type Status = Of<typeof ROUTER_STATUS>;

/** A whole Pinhole for a test file, as built, with short-cuts over its API. */
export class TestPinhole {
  readonly instance: Instance;
  readonly directory: string;

  constructor(prefix: string, config = '', options: { deadlineSeconds?: number } = {}) {
    const limits = /^limits:/m.test(config) ? '' : 'limits: { requests_per_second: 0 }\n';
    this.directory = mkdtempSync(join(tmpdir(), `${prefix}-`));
    this.instance = new Instance({
      directory: this.directory,
      namespaces: [`${prefix}-*`],
      config: limits + config,
      cli: CLI,
      ...options,
    });
  }

  start(): Promise<void> {
    return this.instance.start();
  }

  async stop(): Promise<void> {
    await this.instance.stop();
    rmSync(this.directory, { recursive: true, force: true });
    refuseUncaught(this.instance.log);
  }

  /** The JSON of an answer. */
  call(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.instance.client().call(method, path, body);
  }

  read<T>(shape: Shape<T>, method: string, path: string, body?: unknown): Promise<T> {
    return this.instance.client().read(shape, method, path, body);
  }

  addRouter(netns: string, rest: object = {}): Promise<Router> {
    return this.read(ROUTER, 'POST', '/v1/routers', { name: netns, netns, ...rest });
  }

  /** Declares a helper through the Neutron dialect. */
  async addHelper(router: string, helper: string, protocol: string, port: number): Promise<Of<typeof NEUTRON_HELPER>> {
    const body = { conntrack_helper: { helper, protocol, port } };
    return (await this.read(NEUTRON_ANSWER, 'POST', `/v2.0/routers/${router}/conntrack_helpers`, body)).conntrackHelper;
  }

  /** The helpers of a router, through the Neutron dialect. */
  async helpers(router: string): Promise<readonly Of<typeof NEUTRON_HELPER>[]> {
    return (await this.read(NEUTRON_LIST, 'GET', `/v2.0/routers/${router}/conntrack_helpers`)).conntrackHelpers;
  }

  async removeHelper(router: string, helper: string): Promise<void> {
    await this.call('DELETE', `/v2.0/routers/${router}/conntrack_helpers/${helper}`);
  }

  status(router: string): Promise<Status> {
    return this.read(ROUTER_STATUS, 'GET', `/v1/status/${router}`);
  }

  /** Resolves when the agent has reported on the router as it is declared now. */
  async settled(router: string): Promise<Status> {
    let last = await this.status(router);
    await eventually(
      async () => {
        last = await this.status(router);
        return last.reportedRevision === last.router.revision;
      },
      { what: `router ${router} settles` },
    );
    return last;
  }
}
