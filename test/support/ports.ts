import { seededChance } from '../../src/ports/chance.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { type Ports, systemPorts } from '../../src/ports/ports.ts';
import { TestClock } from './test-clock.ts';

/** The machine's own time, and no log: for tests of real processes and sockets. */
export const realPorts: Ports = systemPorts(silentLogger);

/** A clock that stands still, chance that repeats, and no log. */
export function testPorts(): Ports & { readonly clock: TestClock } {
  return { logger: silentLogger, clock: new TestClock(), chance: seededChance(1) };
}
