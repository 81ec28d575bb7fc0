import { ARCHITECTURES, type Architecture, NEVER } from './syscalls.ts';

/** What a process may do beside what every process of Pinhole may. */
interface Allowance {
  /** Address families of the sockets that it makes (AF_* of linux/socket.h). */
  readonly families: readonly number[];
  /** Protocols of netlink (linux/netlink.h) that it may use where that family is not among them. */
  readonly netlink: readonly number[];
  /** Whether it starts programs. */
  readonly programs: boolean;
  /** Whether it enters and makes network namespaces; no process enters others. */
  readonly networkNamespaces: boolean;
}

const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16];
const NETLINK_ROUTE = 0;
/** Node and the C library ask netlink for this host's addresses. */
const NETWORK: Allowance = { families: [AF_UNIX, AF_INET, AF_INET6], netlink: [NETLINK_ROUTE], programs: false, networkNamespaces: false };

/** What each process of Pinhole may do. The programs that the opener reads rules with make sockets of their own. */
const ALLOWANCES = {
  server: NETWORK,
  agent: NETWORK,
  /** Its sockets of netlink come from the opener. */
  kernel: { families: [AF_UNIX], netlink: [], programs: false, networkNamespaces: false },
  opener: { families: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK], netlink: [], programs: true, networkNamespaces: true },
} as const satisfies Record<string, Allowance>;
export type Confined = keyof typeof ALLOWANCES;

/** Bytes of `struct sock_filter`. */
export const INSTRUCTION_SIZE = 8;

const CLONE_THREAD = 0x0001_0000;
const CLONE_NEWNET = 0x4000_0000;
/** CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET. */
const CLONE_NEW = 0x7e02_0000;
const EPERM = 1;
const ENOSYS = 38;

/** Results of a filter (linux/seccomp.h). */
const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const refuse = (errno: number) => 0x0005_0000 | errno;
/** Above these, numbers on x86-64 are those of its 32-bit pointers (x32), which would pass a filter of the others. */
const X32 = 0x4000_0000;

/** Offsets in `struct seccomp_data`; of arguments, the lower half. */
const NUMBER = 0;
const ARCH = 4;
const argument = (index: number) => 16 + 8 * index;

/** Codes of classic BPF (linux/bpf_common.h). */
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_SET = 0x45;
const RETURN = 0x06;

/** One instruction: `struct sock_filter`. */
interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Instructions to skip where a comparison holds, and where it does not. */
  readonly jt: number;
  readonly jf: number;
}

/** The filter of a process as the kernel takes it, instruction after instruction; null for a processor that none is made for. */
export function filterOf(name: Confined, processor: string): Buffer | null {
  const architecture = ARCHITECTURES[processor];
  if (architecture === undefined) return null;
  const instructions = makeFilter(architecture, ALLOWANCES[name]);
  const bytes = Buffer.alloc(INSTRUCTION_SIZE * instructions.length);
  for (const [index, { code, k, jt, jf }] of instructions.entries()) {
    const at = INSTRUCTION_SIZE * index;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(jt, at + 2);
    bytes.writeUInt8(jf, at + 3);
    bytes.writeUInt32LE(k >>> 0, at + 4);
  }
  return bytes;
}

/**
 * Makes a filter of system calls: all are allowed but those that no process of Pinhole makes, and those that this one does not. What is
 * refused fails with EPERM; clone3 with ENOSYS, so that the C library uses clone, whose flags a filter can read.
 */
function makeFilter({ audit, numbers }: Architecture, allowance: Allowance): Instruction[] {
  const call = (name: string, body: readonly Instruction[]): Instruction[] => {
    const number = numbers[name];
    return number === undefined ? [] : [skipUnless(JUMP_EQUAL, number, body.length), ...body];
  };
  const refused = (names: readonly string[], errno = EPERM) => names.flatMap((name) => call(name, [result(refuse(errno))]));
  return [
    load(ARCH),
    { code: JUMP_EQUAL, k: audit, jt: 1, jf: 0 },
    result(KILL_PROCESS),
    load(NUMBER),
    skipUnless(JUMP_AT_LEAST, X32, 1),
    result(refuse(ENOSYS)),
    ...refused(NEVER),
    ...refused(['clone3'], ENOSYS),
    ...refused(allowance.programs ? [] : ['execve', 'execveat', 'fork', 'vfork']),
    ...call('clone', cloneRules(allowance.programs)),
    ...call('unshare', namespaceRules(0, allowance)),
    ...call('setns', namespaceRules(1, allowance)),
    ...call('socket', socketRules(allowance)),
    result(ALLOW),
  ];
}

/** No new namespaces, and only threads where no programs are started. */
function cloneRules(programs: boolean): Instruction[] {
  return [
    load(argument(0)),
    skipUnless(JUMP_SET, CLONE_NEW, 1),
    result(refuse(EPERM)),
    ...(programs ? [] : [{ code: JUMP_SET, k: CLONE_THREAD, jt: 1, jf: 0 }, result(refuse(EPERM))]),
    result(ALLOW),
  ];
}

function namespaceRules(flags: number, { networkNamespaces }: Allowance): Instruction[] {
  return networkNamespaces ? onlyWith(flags, [CLONE_NEWNET]) : [result(refuse(EPERM))];
}

function socketRules({ families, netlink }: Allowance): Instruction[] {
  const forNetlink = netlink.length > 0 ? onlyWith(2, netlink) : [];
  return [load(argument(0)), skipUnless(JUMP_EQUAL, AF_NETLINK, forNetlink.length), ...forNetlink, ...onlyWith(0, families)];
}

/** Allows a call only if an argument is one of some values. */
function onlyWith(index: number, values: readonly number[]): Instruction[] {
  return [load(argument(index)), ...values.flatMap((value) => [skipUnless(JUMP_EQUAL, value, 1), result(ALLOW)]), result(refuse(EPERM))];
}

function load(offset: number): Instruction {
  return { code: LOAD, k: offset, jt: 0, jf: 0 };
}

function result(value: number): Instruction {
  return { code: RETURN, k: value, jt: 0, jf: 0 };
}

/** Goes on where a comparison with the loaded value holds, and skips the next `count` instructions where it does not. */
function skipUnless(code: number, k: number, count: number): Instruction {
  return { code, k, jt: 0, jf: count };
}
