import type { ProcessName } from '../../supervisor/accounts.ts';

/** Confines this process to the system calls that it needs, or says on standard error why it cannot. Locks are taken before: they start flock(1). */
export async function confined(name: ProcessName): Promise<void> {
  const { confine } = await import('../../sandbox/confine.ts');
  const why = confine(name);
  if (why !== null) process.stderr.write(`pinhole ${name} runs without a filter of system calls: ${why}\n`);
}
