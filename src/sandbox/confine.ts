import koffi from 'koffi';
import { type Confined, filterOf, INSTRUCTION_SIZE } from './filter.ts';

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
/** All threads of the process, those that run already too. */
const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** seccomp(2). */
const SYS_SECCOMP: Readonly<Record<string, number>> = { x64: 317, arm64: 277 };

/** Bytes of `struct sock_fprog`. */
const HEADER = 16;

/**
 * Takes from this process, with all its threads and for good, the system calls that it does not need.
 * @returns null, or in words why it is not confined: a kernel without seccomp, or a processor that no filter is made for
 */
export function confine(name: Confined): string | null {
  const filter = filterOf(name, process.arch);
  const number = SYS_SECCOMP[process.arch];
  if (filter === null || number === undefined) return `there is no filter of system calls for ${process.arch}`;
  const library = koffi.load('libc.so.6');
  const prctl = library.func('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)');
  const seccomp = library.func('long syscall(long number, unsigned int operation, unsigned int flags, void *program)');
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) return 'no_new_privs cannot be set';
  const failed = Number(seccomp(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, programOf(filter))) !== 0;
  return failed ? `the kernel takes no filter of system calls (errno ${koffi.errno()})` : null;
}

/** A `struct sock_fprog` and the instructions behind it, in memory that does not move. */
function programOf(filter: Buffer) {
  const block = koffi.alloc('uint8_t', HEADER + filter.length);
  const memory = Buffer.from(koffi.view(block, HEADER + filter.length));
  memory.writeUInt16LE(filter.length / INSTRUCTION_SIZE, 0);
  memory.writeBigUInt64LE(koffi.address(block) + BigInt(HEADER), 8);
  filter.copy(memory, HEADER);
  return block;
}
