import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAnswer, readAnswer } from '../client/answer.ts';
import type { Client } from '../client/client.ts';
import { type Helper, helpersPath, STATUS_VIEW } from '../client/resources.ts';
import { EXPECTATION_EVENT } from '../contract/expectation.ts';
import { HELPER } from '../contract/helper.ts';
import { ROUTER, type Router } from '../contract/router.ts';
import { Instance } from './instance.ts';
import { patiently } from './patience.ts';
import { ScratchNetwork } from './scratch-network.ts';

/** The names of the lab's namespaces begin with this and a dash. */
export const FTP_LAB_PREFIX = 'pinhole-demo';
const FILE_CONTENT = 'fetched through a pinhole\n';
/** Pinhole is idle for so long only when it has nothing more to do. */
const CONVERGE_QUIET_MS = 5_000;
/** vsftpd is there at once on a fast machine, and in seconds on an emulated one. */
const VSFTPD_MS = 60_000;

/** A strict firewall. It accepts related connections, but without a helper there are none. */
const FIREWALL = `
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" tcp dport 21 accept
  }
}
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; oifname "wan" masquerade; }
}
`;

/** The result of a step: text for people, and a value for later steps. Each step throws an Error if its result is not as expected. */
export type Outcome<T = undefined> = Promise<{ detail: string; value?: T }>;

/** A client, a router with NAT and a strict firewall, and an FTP server, with a Pinhole that serves the router. */
export class FtpLab {
  readonly #network = new ScratchNetwork(FTP_LAB_PREFIX);
  readonly #dir = mkdtempSync(join(tmpdir(), 'pinhole-demo-'));
  readonly #pinhole = new Instance({ directory: this.#dir, namespaces: [`${FTP_LAB_PREFIX}-*`] });

  /** Makes hosts, links, NAT and firewall, and starts vsftpd. */
  async build(): Outcome {
    const net = this.#network;
    for (const host of ['client', 'router', 'server']) await net.addHost(host);
    await net.link(
      { host: 'client', interface: 'eth0', addresses: ['10.77.1.2/24'] },
      { host: 'router', interface: 'lan', addresses: ['10.77.1.1/24'] },
    );
    await net.link(
      { host: 'server', interface: 'eth0', addresses: ['10.77.2.2/24'] },
      { host: 'router', interface: 'wan', addresses: ['10.77.2.1/24'] },
    );
    await net.route('client', 'default', '10.77.1.1');
    await net.sysctl('router', { 'net.ipv4.ip_forward': 1 });
    await net.nft('router', FIREWALL);
    await this.#startFtp();
    return { detail: '' };
  }

  /** Starts a Pinhole of the lab's own. */
  async startPinhole(): Outcome {
    await this.#pinhole.start();
    return { detail: `server, agent and kernel process on ${this.#pinhole.url}` };
  }

  /** Declares the router. */
  async addRouter(): Outcome<Router> {
    const value = await this.#api().read(ROUTER, 'POST', '/v1/routers', { name: 'edge', netns: this.#network.netns('router') });
    return { detail: '', value };
  }

  /** Declares the ftp helper and waits until it is ACTIVE. */
  async addHelper(router: string): Outcome<Helper> {
    const value = await this.#api().read(HELPER, 'POST', helpersPath(router), { helper: 'ftp', protocol: 'tcp', port: 21 });
    const active = async () => {
      const { helpers } = await this.#api().read(STATUS_VIEW, 'GET', `/v1/status/${router}`);
      return helpers.some(({ families }) => families.every(({ status }) => status === 'ACTIVE'));
    };
    await this.#until('the helper does not become ACTIVE', active);
    const { stdout } = await this.#network.exec('router', ['nft', 'list', 'chain', 'inet', 'pinhole', 'assign']);
    return { detail: `ACTIVE; in the kernel:\n${stdout.trim()}`, value };
  }

  /** Removes the helper and waits until the table is gone. */
  async removeHelper(router: string, helper: string): Outcome {
    await this.#api().call('DELETE', `/v1/routers/${router}/helpers/${helper}`);
    const gone = async () => {
      const { stdout } = await this.#network.exec('router', ['nft', 'list', 'tables']);
      return !stdout.includes('pinhole');
    };
    await this.#until('the table does not go', gone);
    return { detail: 'table inet pinhole is gone, and the other tables are unchanged' };
  }

  /** Expects that curl's download times out. */
  async fetchFails(): Outcome {
    const { code, output } = await this.#curl(3);
    if (code === 0) throw new Error(`curl got the file: ${output}`);
    if (code !== 28) throw new Error(`curl ended with exit status ${code} instead of timing out`);
    return { detail: 'curl: (28) timed out' };
  }

  /** Expects that curl downloads the file, and that Pinhole reports the expectation. */
  async fetchWorks(): Outcome {
    const seen: string[] = [];
    const stop = new AbortController();
    const lines = this.#api().lines('/v1/expectations', stop.signal);
    await lines.next();
    const reading = (async () => {
      for await (const line of lines) if (line) seen.push(line);
    })().catch(() => undefined);
    const { code, output } = await this.#curl(60);
    if (code !== 0 || output !== FILE_CONTENT) throw new Error(`curl ended with ${code}: ${output}`);
    await this.#until('Pinhole reports no expectation', () => seen.length > 0);
    stop.abort();
    await reading;
    const { change, expectation } = readAnswer(EXPECTATION_EVENT, parseAnswer(seen[0] ?? ''));
    const { helper, protocol, source, destination, port } = expectation;
    return { detail: `expectation (${change}): ${helper}: ${protocol} ${source} → ${destination}:${port}\nfile: ${output.trim()}` };
  }

  /** Removes all that the lab made: processes, namespaces, files. */
  async destroy(): Promise<void> {
    await this.#pinhole.stop();
    await this.#network.destroy();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #api(): Client {
    return this.#pinhole.client();
  }

  async #startFtp(): Promise<void> {
    const root = join(this.#dir, 'ftp');
    mkdirSync(root, { mode: 0o755 });
    writeFileSync(join(root, 'file.txt'), FILE_CONTENT, { mode: 0o644 });
    chmodSync(this.#dir, 0o755);
    const config = join(this.#dir, 'vsftpd.conf');
    const empty = join(this.#dir, 'empty');
    mkdirSync(empty);
    writeFileSync(
      config,
      `listen=YES\nlisten_ipv6=NO\nbackground=NO\nanonymous_enable=YES\nanon_root=${root}\nsecure_chroot_dir=${empty}\nno_anon_password=YES\nseccomp_sandbox=NO\n`,
    );
    this.#network.start('server', ['vsftpd', config]);
    const isListening = async () => {
      const { stdout } = await this.#network.exec('server', ['ss', '-Hltn', 'sport = :21']);
      return stdout.includes(':21');
    };
    await patiently(isListening, { what: 'vsftpd does not listen', quietMs: VSFTPD_MS, workMs: () => 0 });
  }

  #until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    return patiently(condition, { what, quietMs: CONVERGE_QUIET_MS, workMs: () => this.#pinhole.processorTime() });
  }

  /** Downloads with PASV. The helper covers EPSV too, but one is enough to show it. */
  async #curl(seconds: number): Promise<{ code: number; output: string }> {
    const argv = ['curl', '-sS', '--disable-epsv', '--max-time', String(seconds), 'ftp://10.77.2.2/file.txt'];
    try {
      const { stdout } = await this.#network.exec('client', argv);
      return { code: 0, output: stdout };
    } catch (error) {
      const { code, stderr } = error as { code: number; stderr: string };
      return { code, output: stderr };
    }
  }
}
