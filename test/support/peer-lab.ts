import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { eventually } from './eventually.ts';

const PEERS = resolve(import.meta.dirname, '../system/peers');

/** A scripted peer that serves. */
export interface Peer {
  /** What it has printed. */
  readonly lines: readonly string[];
  readonly signal: (name: NodeJS.Signals) => void;
  readonly stop: () => void;
}

/** A scratch network with a folder, in whose hosts real daemons and the peers of test/system/peers run. */
export class PeerLab {
  readonly network: ScratchNetwork;
  readonly directory: string;

  constructor(prefix: string) {
    this.network = new ScratchNetwork(prefix);
    this.directory = mkdtempSync(join(tmpdir(), `${prefix}-lab-`));
  }

  /** The router's namespace. */
  get router(): string {
    return this.network.netns('router');
  }

  /** Runs one of test/system/peers to its end. @returns its output as JSON */
  async peer<T>(host: string, script: string, parameters: object): Promise<T> {
    const { stdout } = await this.network.exec(host, [process.execPath, join(PEERS, script), JSON.stringify(parameters)], {
      timeoutMs: 30_000,
    });
    return JSON.parse(stdout) as T;
  }

  /** Starts one that serves, and waits for its word that it listens. */
  async startPeer(host: string, script: string, parameters: object): Promise<Peer> {
    const child = this.network.start(host, [process.execPath, join(PEERS, script), JSON.stringify(parameters)]);
    const lines: string[] = [];
    let errors = '';
    child.stdout?.on('data', (chunk) => lines.push(...String(chunk).split('\n').filter(Boolean)));
    child.stderr?.on('data', (chunk) => {
      errors += chunk;
    });
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`${script} ended: ${errors}`);
      return lines.length > 0;
    });
    return { lines, signal: (name) => child.kill(name), stop: () => child.kill('SIGKILL') };
  }

  /** Waits until a process in a host listens on a port; with an address (IPv6 in brackets), on that very address. */
  async listening(host: string, kind: 't' | 'u', port: number, address = ''): Promise<void> {
    const socket = `${address}:${port} `;
    await eventually(async () => (await this.network.exec(host, ['ss', `-Hln${kind}`, `sport = :${port}`])).stdout.includes(socket), {
      what: `${host} listens on ${kind === 't' ? 'tcp' : 'udp'} port ${port}`,
    });
  }

  async destroy(): Promise<void> {
    await this.network.destroy();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
