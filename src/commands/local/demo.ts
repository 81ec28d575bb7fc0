import { FTP_LAB_PREFIX, FtpLab, type Outcome } from '../../lab/ftp-lab.ts';
import { interruption } from '../../lab/interruption.ts';
import { removeLeftovers } from '../../lab/scratch-network.ts';
import { Denied, Reported } from '../../model/errors.ts';
import { paint, print, printJson } from '../../terminal/table.ts';

const PICTURE = `
   client                    router                      server
  10.77.1.2 ──── lan 10.77.1.1 │ 10.77.2.1 wan ──── 10.77.2.2
    curl               NAT, forward policy drop            vsftpd
`;

interface StepResult {
  readonly step: string;
  readonly ok: boolean;
  readonly detail: string;
}

/**
 * Shows the effect of a helper on real packets: an FTP download fails, works once the helper is declared, and fails again after its
 * removal. Prints each step; with `--json`, `{ok, steps}` at the end. It removes its namespaces and processes in every case.
 * @throws Denied unless root; Reported if a step failed
 */
export async function demo(flags: { json?: boolean }): Promise<void> {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it makes network namespaces. Try again with sudo.');
  await removeLeftovers((netns) => netns.startsWith(`${FTP_LAB_PREFIX}-`));
  const lab = new FtpLab();
  const { signal, dispose } = interruption();
  const interrupted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  try {
    const results = await Promise.race([new Story(lab, flags.json ?? false).tell(), interrupted]);
    if (flags.json) printJson({ ok: results.every(({ ok }) => ok), steps: results });
    const failed = results.find(({ ok }) => !ok);
    if (failed) throw new Reported('internal', `a step of the demo failed: ${failed.step}: ${failed.detail}`);
  } finally {
    await lab.destroy();
    dispose();
  }
}

class Story {
  readonly #lab: FtpLab;
  readonly #quiet: boolean;
  readonly #results: StepResult[] = [];

  constructor(lab: FtpLab, quiet: boolean) {
    this.#lab = lab;
    this.#quiet = quiet;
  }

  async tell(): Promise<StepResult[]> {
    this.#say(PICTURE);
    await this.#step('build the network and start vsftpd', () => this.#lab.build());
    await this.#step('start pinhole', () => this.#lab.startPinhole());
    const router = await this.#step('pinhole router add edge --netns pinhole-demo-router', () => this.#lab.addRouter());
    await this.#step('the client fetches a file: times out, the data connection is dropped', () => this.#lab.fetchFails());
    const helper = await this.#step('pinhole helper add edge ftp', () => this.#lab.addHelper(router?.id ?? ''));
    await this.#step('the client fetches the file: works, through an expectation', () => this.#lab.fetchWorks());
    await this.#step('pinhole helper rm edge ftp', () => this.#lab.removeHelper(router?.id ?? '', helper?.id ?? ''));
    await this.#step('the client fetches the file: times out again', () => this.#lab.fetchFails());
    return this.#results;
  }

  async #step<T>(step: string, work: () => Outcome<T>): Promise<T | undefined> {
    if (this.#results.some(({ ok }) => !ok)) return undefined;
    try {
      const { detail, value } = await work();
      this.#results.push({ step, ok: true, detail });
      this.#say(`${paint('green', '✔')} ${step}\n${detail ? `    ${detail.replaceAll('\n', '\n    ')}\n` : ''}`);
      return value;
    } catch (error) {
      const detail = (error as Error).message;
      this.#results.push({ step, ok: false, detail });
      this.#say(`${paint('red', '✘')} ${step}\n    ${detail}\n`);
      return undefined;
    }
  }

  #say(text: string): void {
    if (!this.#quiet) print(text);
  }
}
