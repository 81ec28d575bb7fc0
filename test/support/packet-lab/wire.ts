import koffi from 'koffi';
import * as libc from '../../../src/kernel/linux/libc.ts';
import { LocalOpener } from '../../../src/kernel/linux/opener.ts';
import { type Arrived, idOf, readFrame, readPacket } from './frames.ts';

/** What became of a packet: where it left the router, or that the router took it. A packet that did neither was dropped. */
export type Arrival =
  | ({ readonly kind: 'forwarded'; readonly device: string } & Omit<Arrived, 'id'>)
  /** IPv6 does not show the header of what a host takes. */
  | { readonly kind: 'taken' };

const AF_PACKET = 17;
const RCVBUFFORCE = 33;
const BUFFER_BYTES = 16 * 1024 * 1024;
const ETHERTYPES = { ipv4: 0x0800, ipv6: 0x86dd, marker: 0x88b5 } as const;
const PROTOCOLS = { tcp: 6, udp: 17, gre: 47 } as const;
const POLLIN = 1;
/** A backstop: a marker comes within the system call that sends it, or when the kernel's own thread gets the processor. */
const MARKER_MS = 30_000;

/** One cable between the router and the ends: sockets at both of its sides. */
interface Cable {
  readonly device: string;
  /** At the ends: one for each family, and one for markers. */
  readonly captures: readonly number[];
  readonly near: number;
  /** At the router, for markers. */
  readonly far: number;
}

/**
 * Puts frames on the cables of a router and says where each came out. A veth pair hands a frame to the queue of the sender's
 * processor, to which this thread is bound: a marker that is sent after some frames arrives after all that they caused.
 */
export class Wire {
  readonly #system = libc.loadLibc();
  readonly #opener = new LocalOpener(this.#system);
  readonly #cables: Cable[] = [];
  readonly #taken: { readonly fd: number; readonly protocol: keyof typeof PROTOCOLS; readonly hasHeader: boolean }[] = [];
  readonly #buffer = Buffer.alloc(4096);
  readonly #calls = loadCalls();
  readonly #router: string;
  readonly #home: Buffer;

  /** @param cables device of the router, and of its other end */
  constructor(router: string, ends: string, cables: readonly { readonly device: string; readonly peer: string }[]) {
    this.#router = router;
    this.#home = this.#calls.bindToThisProcessor();
    for (const { device, peer } of cables) {
      const captures = this.#within(ends, () => [
        this.#packetSocket(ETHERTYPES.ipv4, peer),
        this.#packetSocket(ETHERTYPES.ipv6, peer),
        this.#packetSocket(ETHERTYPES.marker, peer),
      ]);
      const far = this.#within(router, () => this.#packetSocket(ETHERTYPES.marker, device));
      this.#cables.push({ device, captures: captures.slice(0, 2), near: captures[2] as number, far });
    }
    this.#within(router, () => {
      for (const [protocol, number] of Object.entries(PROTOCOLS) as [keyof typeof PROTOCOLS, number][])
        for (const domain of [2, libc.AF_INET6]) {
          const fd = this.#system.socket(domain, libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, number);
          this.#enlarge(fd);
          this.#taken.push({ fd, protocol, hasHeader: domain === 2 });
        }
    });
  }

  /** A netlink socket of netfilter in the router. */
  netfilterSocket(): number {
    return this.#opener.open(this.#router, ['netfilter']).fds[0] as number;
  }

  /** Sends frames into the router, and waits until all that they cause has happened. @returns what arrived, by id */
  send(frames: readonly { readonly device: string; readonly frame: Buffer }[]): ReadonlyMap<number, Arrival> {
    for (const { device, frame } of frames) this.#system.send(this.#cable(device).captures[0] as number, frame);
    this.#settle();
    return this.#arrived();
  }

  close(): void {
    this.#calls.bindTo(this.#home);
    const fds = [...this.#cables.flatMap(({ captures, near, far }) => [...captures, near, far]), ...this.#taken.map(({ fd }) => fd)];
    for (const fd of fds) this.#system.close(fd);
    this.#opener.close();
  }

  #within<T>(netns: string, body: () => T): T {
    return this.#opener.within(netns, body);
  }

  #cable(device: string): Cable {
    const found = this.#cables.find((cable) => cable.device === device);
    if (!found) throw new Error(`no cable ${device}`);
    return found;
  }

  /** There and back: what the frames caused in the router is in the queue before the marker that comes back. */
  #settle(): void {
    for (const { near, far } of this.#cables.slice(0, 1))
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#system.send(from, MARKER);
        if (!this.#calls.waitFor(to, MARKER_MS)) throw new Error('a marker did not arrive');
        while (this.#system.receive(to, this.#buffer) > 0);
      }
  }

  #arrived(): ReadonlyMap<number, Arrival> {
    const found = new Map<number, Arrival>();
    for (const { device, captures } of this.#cables)
      for (const fd of captures)
        this.#drain(fd, (data) => {
          const frame = readFrame(data);
          if (!frame) return;
          const { id, ...rest } = frame;
          found.set(id, { kind: 'forwarded', device, ...rest });
        });
    for (const { fd, protocol, hasHeader } of this.#taken)
      this.#drain(fd, (data) => {
        const id = hasHeader ? readPacket(data)?.id : idOf(data, protocol);
        if (id !== undefined && id !== null) found.set(id, { kind: 'taken' });
      });
    return found;
  }

  #drain(fd: number, each: (data: Buffer) => void): void {
    for (let count = this.#system.receive(fd, this.#buffer); count > 0; count = this.#system.receive(fd, this.#buffer))
      each(this.#buffer.subarray(0, count));
  }

  #packetSocket(ethertype: number, device: string): number {
    const protocol = ((ethertype & 0xff) << 8) | (ethertype >> 8);
    const fd = this.#system.socket(AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, protocol);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ethertype, 2);
    address.writeInt32LE(this.#calls.indexOf(device), 4);
    this.#system.bind(fd, address);
    this.#enlarge(fd);
    return fd;
  }

  #enlarge(fd: number): void {
    const size = Buffer.alloc(4);
    size.writeInt32LE(BUFFER_BYTES);
    this.#system.setOption(fd, libc.SOL_SOCKET, RCVBUFFORCE, size);
  }
}

/** A broadcast of a type that the kernel leaves alone. */
const MARKER = Buffer.concat([Buffer.alloc(6, 0xff), Buffer.from([2, 0, 0, 0, 0, 1]), Buffer.from([0x88, 0xb5]), Buffer.alloc(46)]);

const MASK_BYTES = 128;

function loadCalls() {
  const library = koffi.load('libc.so.6');
  const call = (prototype: string) => library.func(prototype) as unknown as (...args: unknown[]) => number;
  const ifIndex = call('unsigned int if_nametoindex(const char *name)');
  const poll = call('int poll(uint8_t *fds, unsigned long count, int timeout)');
  const getProcessor = call('int sched_getcpu()');
  const getMask = call('int sched_getaffinity(int pid, size_t size, uint8_t *mask)');
  const setMask = call('int sched_setaffinity(int pid, size_t size, const uint8_t *mask)');
  const bindTo = (mask: Buffer) => void setMask(0, MASK_BYTES, mask);
  return {
    indexOf: (device: string) => ifIndex(device),
    bindTo,
    /** @returns the mask from before */
    bindToThisProcessor: (): Buffer => {
      const before = Buffer.alloc(MASK_BYTES);
      getMask(0, MASK_BYTES, before);
      const own = Buffer.alloc(MASK_BYTES);
      const processor = getProcessor();
      own[processor >> 3] = 1 << (processor & 7);
      bindTo(own);
      return before;
    },
    waitFor: (fd: number, timeoutMs: number): boolean => {
      const one = Buffer.alloc(8);
      one.writeInt32LE(fd, 0);
      one.writeInt16LE(POLLIN, 4);
      return poll(one, 1, timeoutMs) > 0;
    },
  };
}
