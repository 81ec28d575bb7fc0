import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The end of a command in a machine: its exit status, and what it printed to either stream. */
export interface Ended {
  readonly status: number;
  readonly output: string;
}

const POLL_MS = 500;
const ANSWER_MS = 60_000;
const BOOT_MS = 1_800_000;
/** What runs the machines, in the order in which it is tried: `PINHOLE_ACCEL=tcg` emulates them where /dev/kvm is there and guests hang. */
const ACCELERATORS = (process.env['PINHOLE_ACCEL'] ?? 'kvm tcg').split(' ');
/** Instructions that an emulated processor is slow at, and that nothing here needs. */
const PROCESSOR = 'max,-avx,-avx2,-xsave,-smap,-smep,-pku,-la57';

/**
 * A virtual machine of an image by `image.sh`, without a network: commands go through the guest agent (QEMU's `guest-exec`). Changes to
 * its disk last until {@link stop}.
 */
export class Machine {
  readonly #directory = mkdtempSync(join(tmpdir(), 'pht-machine-'));
  #qemu: ChildProcess | null = null;
  #errors = '';

  /** Boots it. @param image path of the image without its ending. @param payload a file that becomes /dev/vdb. */
  async start(image: string, payload: string): Promise<void> {
    const disk = (file: string, options: string) => ['-drive', `file=${file},if=virtio,format=raw,${options}`];
    const argv = [
      ...ACCELERATORS.flatMap((name) => ['-accel', name]),
      ...['-machine', 'q35', '-cpu', PROCESSOR, '-m', '1024', '-nodefaults', '-display', 'none'],
      ...['-kernel', `${image}.kernel`, '-initrd', `${image}.initrd`, '-append', 'root=/dev/vda rw console=ttyS0 panic=-1'],
      ...disk(`${image}.ext4`, 'snapshot=on,cache=unsafe'),
      ...disk(payload, 'readonly=on'),
      ...['-serial', `file:${this.#path('console')}`, '-device', 'virtio-rng-pci', '-device', 'virtio-serial'],
      ...['-chardev', `socket,id=agent,path=${this.#path('agent')},server=on,wait=off`],
      ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ];
    this.#qemu = spawn('nice', ['-n', '5', 'qemu-system-x86_64', ...argv], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#qemu.stderr?.on('data', (chunk) => {
      this.#errors += chunk;
    });
    await this.#booted('');
  }

  /** Runs shell commands as root. It waits as long as they take. */
  async run(script: string): Promise<Ended> {
    const agent = await this.#connect();
    try {
      const argv = { path: '/bin/bash', arg: ['-c', `exec 2>&1\n${script}`], env: GUEST_ENV, 'capture-output': true };
      const { pid } = (await agent.ask('guest-exec', argv)) as { pid: number };
      for (;;) {
        const state = (await agent.ask('guest-exec-status', { pid })) as GuestExecStatus;
        if (state.exited) {
          const output = Buffer.from(state['out-data'] ?? '', 'base64').toString();
          return { status: state.exitcode ?? 128 + (state.signal ?? 0), output };
        }
        await sleep(POLL_MS);
      }
    } finally {
      agent.close();
    }
  }

  /** The output of commands that must succeed. @throws Error with the output if they fail */
  async must(script: string): Promise<string> {
    const { status, output } = await this.run(script);
    if (status !== 0) throw new Error(`exit status ${status} of: ${script}\n${output}`);
    return output;
  }

  /** Shuts it down in order, and waits until it has booted again. */
  async reboot(): Promise<void> {
    const before = await this.must(BOOT_ID);
    // QEMU serves one connection at a time: this one has to be closed before the next is heard.
    const agent = await this.#connect();
    await agent.tell('guest-shutdown', { mode: 'reboot' });
    agent.close();
    await this.#booted(before);
  }

  /** The text on its serial console since the start. */
  console(): string {
    return readFileSync(this.#path('console'), 'latin1');
  }

  /** Ends it and throws its disk away. */
  async stop(): Promise<void> {
    const qemu = this.#qemu;
    this.#qemu = null;
    if (qemu && qemu.exitCode === null) {
      const closed = new Promise((resolve) => qemu.once('close', resolve));
      qemu.kill('SIGKILL');
      await closed;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Resolves once commands run in a boot other than `before`, and systemd has started what it starts. */
  async #booted(before: string): Promise<void> {
    const deadline = Date.now() + BOOT_MS;
    const isUp = `${BOOT_ID}; systemctl is-system-running --wait >/dev/null || true`;
    for (; Date.now() < deadline; await sleep(POLL_MS)) {
      if (this.#qemu?.exitCode !== null) throw new Error(`qemu ended: ${this.#errors}`);
      if (this.#hasPanicked()) throw new Error(`the kernel panicked:\n${this.console().slice(-4000)}`);
      const { output } = await this.run(isUp).catch(() => ({ output: before }));
      if (output !== before && output !== '') return;
    }
    throw new Error(`it did not boot:\n${this.console().slice(-4000)}`);
  }

  #hasPanicked(): boolean {
    try {
      return this.console().includes('Kernel panic');
    } catch {
      return false;
    }
  }

  async #connect(): Promise<GuestAgent> {
    return GuestAgent.connect(this.#path('agent'));
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

const BOOT_ID = 'cat /proc/sys/kernel/random/boot_id';
const GUEST_ENV = ['HOME=/root', 'TERM=dumb', 'LANG=C.UTF-8', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];

interface GuestExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
}

/** QEMU's guest agent over its socket: one JSON object a line, each way. One question at a time. */
class GuestAgent {
  readonly #socket: Socket;
  #text = '';
  #waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => this.#onData(String(chunk)));
    socket.on('close', () => this.#waiting?.reject(new Error('the guest agent is not there')));
  }

  /** @throws Error if nothing answers in time */
  static async connect(path: string): Promise<GuestAgent> {
    const socket = connect(path);
    socket.on('error', () => socket.destroy());
    const agent = new GuestAgent(socket);
    try {
      await agent.#synchronise();
    } catch (error) {
      agent.close();
      throw error;
    }
    return agent;
  }

  /** @returns what the command returns. @throws Error if the agent refuses it, or does not answer in time */
  async ask(execute: string, parameters: object): Promise<unknown> {
    await this.tell(execute, parameters);
    const answer = JSON.parse(await this.#line()) as { return?: unknown; error?: { desc: string } };
    if (answer.error) throw new Error(`${execute}: ${answer.error.desc}`);
    return answer.return;
  }

  /** Sends a command that has no answer. Resolves once it is on its way, whether or not it is heard. */
  tell(execute: string, parameters: object): Promise<void> {
    return new Promise((resolve) => this.#socket.write(`${JSON.stringify({ execute, arguments: parameters })}\n`, () => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Skips what an earlier connection left unread: 0xff resets the agent's reader, and its answer repeats our number. */
  async #synchronise(): Promise<void> {
    const id = process.hrtime()[1];
    this.#socket.write(Buffer.from([0xff]));
    await this.tell('guest-sync-delimited', { id });
    for (;;) {
      const line = (await this.#line()).replaceAll('\xff', '');
      if (line.includes(`"return": ${id}`)) return;
    }
  }

  #line(): Promise<string> {
    const line = new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    const timer = setTimeout(() => this.#waiting?.reject(new Error('the guest agent does not answer')), ANSWER_MS);
    this.#onData('');
    return line.finally(() => clearTimeout(timer));
  }

  #onData(chunk: string): void {
    this.#text += chunk;
    const end = this.#text.indexOf('\n');
    if (end < 0 || !this.#waiting) return;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting.resolve(line);
  }
}
