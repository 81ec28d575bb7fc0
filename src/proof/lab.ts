import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { ScratchNetwork } from '../lab/scratch-network.ts';
import type { Family, Protocol } from '../model/catalogue.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Assignment, RulesetView } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';
import { ATTACKS } from './attacks.ts';
import { loadRules } from './load-rules.ts';
import { type LabNetwork, networkFor } from './network.ts';

const PEER = fileURLToPath(new URL('../proof/peer.js', import.meta.url));
/** Output of nft for a counter that is not zero. */
const COUNTED = /counter packets [1-9]/;
const READY_MS = 5000;
const CARRIER_ATTEMPTS = 100;
const CARRIER_POLL_MS = 30;

/** The result of an attack. */
export interface AttackOutcome {
  /** Whether the control connection passed the router; if not, nothing was tried. */
  readonly control: boolean;
  /** Whether the attacker reached the announced port of the client. */
  readonly reached: boolean;
  /** Whether the control connection had the helper; if not, no helper read the announcement. */
  readonly helped: boolean;
  /** Whether the attacker's connection was related to the control connection; if not, the port is open without a helper. */
  readonly related: boolean;
  /** Lines of nft's trace of the attacker's packet, at most 12. */
  readonly trace: readonly string[];
}

/**
 * A client, a router with the reviewed ruleset, and an attacking server: three network namespaces that are connected only to
 * each other. Addresses and interface names are chosen so that the conditions of the ruleset hold.
 */
export class ProofLab {
  readonly network: LabNetwork;
  readonly #scratch: ScratchNetwork;

  private constructor(scratch: ScratchNetwork, network: LabNetwork) {
    this.#scratch = scratch;
    this.network = network;
  }

  /**
   * Creates the namespaces and links them. Needs root.
   * @param prefix of the names of the namespaces
   * @throws Error if a link does not come up; nothing is left behind then
   */
  static async open(view: RulesetView, tried: { assignment: Assignment | null; family: Family }, prefix: string): Promise<ProofLab> {
    const network = networkFor(view, tried.assignment, tried.family);
    const scratch = new ScratchNetwork(prefix);
    const lab = new ProofLab(scratch, network);
    try {
      await lab.#wire();
      return lab;
    } catch (error) {
      await scratch.destroy();
      throw error;
    }
  }

  /** Removes the namespaces. */
  async close(): Promise<void> {
    await this.#scratch.destroy();
  }

  async #wire(): Promise<void> {
    const { family, inside, outside } = this.network;
    for (const host of ['client', 'router', 'server']) {
      await this.#scratch.addHost(host);
      // The link has no other hosts, and duplicate address detection takes two seconds.
      if (family === 'ipv6') await this.#scratch.sysctl(host, { 'net.ipv6.conf.default.accept_dad': 0 });
    }
    for (const [end, name] of [
      ['client', inside],
      ['server', outside],
    ] as const) {
      const { host, gateway, prefix } = this.network[end];
      await this.#scratch.link(
        { host: end, interface: 'lab0', addresses: [`${host}/${prefix}`] },
        { host: 'router', interface: name, addresses: [`${gateway}/${prefix}`] },
      );
      await this.#scratch.exec(end, ['ip', family === 'ipv4' ? '-4' : '-6', 'route', 'add', 'default', 'via', gateway]);
    }
    for (const [host, name] of [
      ['client', 'lab0'],
      ['server', 'lab0'],
      ['router', inside],
      ['router', outside],
    ] as const)
      await this.#carrier(host, name);
    await this.#scratch.sysctl('router', { [family === 'ipv4' ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding']: 1 });
  }

  /** Waits until a new link carries packets. */
  async #carrier(host: string, name: string): Promise<void> {
    for (let attempt = 0; attempt < CARRIER_ATTEMPTS; attempt++) {
      const { stdout } = await this.#scratch.exec(host, ['ip', '-br', 'link', 'show', 'dev', name]);
      if (/\sUP\s/.test(stdout)) return;
      await sleep(CARRIER_POLL_MS);
    }
    throw new Error(`the link ${name} of the laboratory does not come up`);
  }

  /**
   * Loads the ruleset into the router.
   * @returns null: the kernel accepted it; otherwise the error of the program that loads it
   */
  async load(subject: Subject): Promise<string | null> {
    return loadRules(this.#scratch, 'router', subject);
  }

  /**
   * Loads the ruleset again while conntrack is already registered, so that a chain at the same priority may now run on the other
   * side of it.
   */
  async reload(subject: Subject): Promise<string | null> {
    await this.add(
      'table inet pinhole_proof_conntrack {\nchain c {\n type filter hook prerouting priority 0; policy accept;\nct state new counter\n}\n}\n',
    );
    const { stdout } = await this.#scratch.exec('router', ['nft', 'list', 'tables']);
    const tables = stdout.split('\n').filter((line) => line !== '' && !line.includes('pinhole_proof'));
    await this.add(tables.map((table) => `delete ${table}\n`).join(''));
    return this.load(subject);
  }

  /** Adds rules of the proof itself to the router. @throws Error with nft's message */
  async add(rules: string): Promise<void> {
    await this.#scratch.nft('router', rules);
  }

  /**
   * The helper that a connection from the client to a port of the server gets, found by removing each candidate from it. `seen`
   * is false if the connection did not pass the router.
   */
  async helperOf(protocol: Protocol, port: number, types: readonly string[]): Promise<{ seen: boolean; type: string | null }> {
    await this.add(
      proofTable(`chain passed {\n type filter hook postrouting priority 300; policy accept;\n${protocol} dport ${port} counter\n}\n`),
    );
    const answering = this.#scratch.start('server', this.#peer('server', protocol === 'udp' ? 'tftp' : 'ftp', port));
    try {
      await heard(answering, [], 'ready');
      await this.#scratch.exec('client', this.#peer('touch', protocol, port));
    } finally {
      answering.kill('SIGKILL');
    }
    const type = await this.#takenOff(protocol, port, types);
    const { stdout } = await this.#scratch.exec('router', ['nft', 'list', 'chain', 'inet', 'pinhole_proof', 'passed']);
    return { seen: type !== null || COUNTED.test(stdout), type };
  }

  /** The first of the helpers that a live connection had, and that was removed from it; null: none. */
  async #takenOff(protocol: Protocol, port: number, types: readonly string[]): Promise<string | null> {
    const netns = this.#scratch.netns('router');
    const kernel = new LinuxKernel({ allowed: (one) => one === netns, logger: silentLogger });
    try {
      for (const type of types)
        if ((await kernel.changeLive(netns, { action: 'strip', selectors: [{ protocol, port, type, except: [] }] })) > 0) return type;
      return null;
    } finally {
      await kernel.close();
    }
  }

  /**
   * Lets the client announce a port of its own through the helper, and the server connect to it.
   * @param port of the control connection
   * @param target announced port
   */
  async attack(helper: string, port: number, target: number): Promise<AttackOutcome> {
    const watch = await this.#watch(target);
    const events: string[] = [];
    const attacker = this.#scratch.start('server', this.#peer('server', helper, port));
    try {
      await heard(attacker, events, 'ready');
      const { stdout } = await this.#scratch
        .exec('client', [...this.#peer('client', helper, port), this.network.client.host, String(target)])
        .catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
      const reached = stdout.includes('"reached"');
      return {
        control: events.some((line) => line.includes('"control"')),
        reached,
        helped: reached || (await this.#takenOff(ATTACKS.get(helper) ?? 'tcp', port, [helper])) !== null,
        ...(await watch.end()),
      };
    } finally {
      attacker.kill('SIGKILL');
    }
  }

  /** Command line of one end of a control connection to the server. */
  #peer(role: string, what: string, port: number): string[] {
    return [process.execPath, PEER, role, what, this.network.server.host, String(port)];
  }

  /**
   * Traces packets that arrive from outside for a port (`meta nftrace set 1`, `nft monitor trace`), and counts those that leave
   * towards the client as related.
   */
  async #watch(target: number) {
    const { outside } = this.network;
    await this.add(
      proofTable(
        `chain trace {\n type filter hook prerouting priority -350; policy accept;\niifname "${outside}" tcp flags & (syn | ack) == syn meta nftrace set 1\niifname "${outside}" udp dport ${target} meta nftrace set 1\n}\nchain came {\n type filter hook postrouting priority 300; policy accept;\nct state related meta l4proto { tcp, udp } th dport ${target} counter\n}\n`,
      ),
    );
    const monitor = this.#scratch.start('router', ['stdbuf', '-oL', 'nft', 'monitor', 'trace']);
    let text = '';
    monitor.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    return {
      end: async () => {
        const { stdout } = await this.#scratch.exec('router', ['nft', 'list', 'chain', 'inet', 'pinhole_proof', 'came']);
        monitor.kill('SIGTERM');
        await new Promise((resolve) => monitor.on('close', resolve));
        return { related: COUNTED.test(stdout), trace: traceLines(text) };
      },
    };
  }
}

/** Commands that replace the table of the proof. */
function proofTable(content: string): string {
  return `table inet pinhole_proof\ndelete table inet pinhole_proof\ntable inet pinhole_proof {\n${content}}\n`;
}

/** Rules and verdicts of a trace, without those of the proof itself. */
function traceLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => / (rule|policy) /.test(line) && !line.includes('pinhole_proof'))
    .map((line) => line.replace(/^trace id \w+ /, '').trim())
    .slice(0, 12);
}

/** Waits for an event in the output of a peer. @throws Error after five seconds, or if the peer ends */
async function heard(child: ChildProcess, events: string[], event: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the attacker does not start')), READY_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      events.push(String(chunk));
      if (!String(chunk).includes(`"${event}"`)) return;
      clearTimeout(timer);
      resolve();
    });
    child.on('close', () => reject(new Error('the attacker ended')));
  });
}
