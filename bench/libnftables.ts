import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { netnsPath } from '../src/kernel/linux/opener.ts';

const CLONE_NEWNET = 0x40000000;

/** The alternative to sync: libnftables in this process, with one open context per namespace. */
export class LibnftablesLoop {
  readonly #contexts: bigint[] = [];
  readonly #run: (context: bigint, text: string) => number;
  readonly #free: (context: bigint) => void;

  constructor(names: readonly string[]) {
    const libc = koffi.load('libc.so.6');
    const library = koffi.load('libnftables.so.1');
    const setns = libc.func('int setns(int fd, int nstype)') as unknown as (fd: number, type: number) => number;
    const create = library.func('void *nft_ctx_new(uint32_t flags)') as unknown as (flags: number) => bigint;
    this.#run = library.func('int nft_run_cmd_from_buffer(void *ctx, const char *buf)') as unknown as (
      context: bigint,
      text: string,
    ) => number;
    this.#free = library.func('void nft_ctx_free(void *ctx)') as unknown as (context: bigint) => void;
    const home = openSync('/proc/self/ns/net', 'r');
    for (const netns of names) {
      const fd = openSync(netnsPath(netns), 'r');
      setns(fd, CLONE_NEWNET);
      this.#contexts.push(create(0));
      setns(home, CLONE_NEWNET);
      closeSync(fd);
    }
    closeSync(home);
  }

  /** Loads nft text into every namespace, one after the other. */
  load(text: string): void {
    for (const context of this.#contexts) {
      if (this.#run(context, text) !== 0) throw new Error('libnftables refused the table');
    }
  }

  close(): void {
    for (const context of this.#contexts) this.#free(context);
  }
}
