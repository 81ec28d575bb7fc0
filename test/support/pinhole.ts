import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HelperJson, RouterJson, StatusJson } from '../../src/client/resources.ts';
import { Instance } from '../../src/lab/instance.ts';
import { CLI } from './cli-path.ts';
import { eventually } from './eventually.ts';

/** A whole Pinhole for a test file, as built, with short-cuts over its API. */
export class TestPinhole {
  readonly instance: Instance;
  readonly directory: string;

  constructor(prefix: string, config = '') {
    const limits = /^limits:/m.test(config) ? '' : 'limits: { requests_per_second: 0 }\n';
    this.directory = mkdtempSync(join(tmpdir(), `${prefix}-`));
    this.instance = new Instance({ directory: this.directory, namespaces: [`${prefix}-*`], config: limits + config, cli: CLI });
  }

  start(): Promise<void> {
    return this.instance.start();
  }

  async stop(): Promise<void> {
    await this.instance.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.instance.client().call<T>(method, path, body);
  }

  addRouter(netns: string, rest: object = {}): Promise<RouterJson> {
    return this.call('POST', '/v1/routers', { name: netns, netns, ...rest });
  }

  /** Declares a helper through the Neutron dialect. */
  async addHelper(router: string, helper: string, protocol: string, port: number): Promise<HelperJson> {
    const body = { conntrack_helper: { helper, protocol, port } };
    return (await this.call<{ conntrack_helper: HelperJson }>('POST', `/v2.0/routers/${router}/conntrack_helpers`, body)).conntrack_helper;
  }

  async removeHelper(router: string, helper: string): Promise<void> {
    await this.call('DELETE', `/v2.0/routers/${router}/conntrack_helpers/${helper}`);
  }

  status(router: string): Promise<StatusJson> {
    return this.call('GET', `/v1/status/${router}`);
  }

  /** Resolves when the agent has reported on the router as it is declared now. */
  async settled(router: string): Promise<StatusJson> {
    let last: (StatusJson & { reported_revision?: number }) | undefined;
    await eventually(
      async () => {
        last = await this.status(router);
        return last.reported_revision === last.router.revision;
      },
      { what: `router ${router} settles` },
    );
    return last as StatusJson;
  }
}
