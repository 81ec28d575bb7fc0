import koffi from 'koffi';
import { loadLibc } from '../../src/kernel/linux/libc.ts';
import { LocalOpener } from '../../src/kernel/linux/opener.ts';

const AF_INET = 2;
const SOCK_DGRAM = 2;

/** Sends from inside a namespace. A veth pair delivers within the sender's system call, so the call's time is that of the whole path. */
export class PacketSender {
  readonly #fd: number;
  readonly #to: Buffer;
  readonly #libc = loadLibc();
  readonly #sendto: (fd: number, data: Buffer, length: number, flags: number, address: Buffer, size: number) => number;
  readonly #payload = Buffer.alloc(64);

  constructor(netns: string, to: string) {
    const library = koffi.load('libc.so.6');
    this.#sendto = library.func(
      'intptr_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)',
    ) as never;
    const opener = new LocalOpener(this.#libc);
    this.#fd = opener.within(netns, () => this.#libc.socket(AF_INET, SOCK_DGRAM, 0));
    opener.close();
    this.#to = Buffer.concat([Buffer.from([AF_INET, 0, 0, 0]), Buffer.from(to.split('.').map(Number)), Buffer.alloc(8)]);
  }

  /** @returns ns per packet of one connection */
  oneFlow(count: number): number {
    return this.#send(count, () => 20_000);
  }

  /** @returns ns per packet, each the first of its connection */
  newFlows(count: number): number {
    return this.#send(count, (index) => 30_000 + index);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  #send(count: number, port: (index: number) => number): number {
    const start = process.hrtime.bigint();
    for (let index = 0; index < count; index++) {
      this.#to.writeUInt16BE(port(index), 2);
      this.#sendto(this.#fd, this.#payload, this.#payload.length, 0, this.#to, this.#to.length);
    }
    return Number(process.hrtime.bigint() - start) / count;
  }
}
