import type { KernelState } from '../contract/agent.ts';
import { asReason } from '../contract/primitives.ts';
import type { Ports } from '../ports/ports.ts';

/** Whether this host's kernel process answers, since when, and why not. What changes is logged. */
export class KernelLink {
  readonly #ports: Pick<Ports, 'clock' | 'logger'>;
  #state: KernelState;
  #losses = 0;

  constructor(ports: Pick<Ports, 'clock' | 'logger'>) {
    this.#ports = ports;
    this.#state = { up: false, since: ports.clock.now().toISOString(), reason: 'has not answered yet' };
  }

  get state(): KernelState {
    return this.#state;
  }

  get isUp(): boolean {
    return this.#state.up;
  }

  /** How often it was lost since the start. */
  get losses(): number {
    return this.#losses;
  }

  /** It has answered. */
  came(): void {
    if (this.#state.up) return;
    const { since } = this.#state;
    this.#state = { up: true, since: this.#ports.clock.now().toISOString(), reason: '' };
    this.#ports.logger.info({ away: since }, 'the kernel process answers');
  }

  /** It does not answer. @param reason what it does instead, like `went away` */
  went(reason: string): void {
    const since = this.#state.up ? this.#ports.clock.now().toISOString() : this.#state.since;
    if (this.#state.up) this.#losses++;
    this.#state = { up: false, since, reason: asReason(reason) };
    this.#ports.logger.error({ since }, `the kernel process ${reason}: rules stay as they are, and changes wait`);
  }
}
