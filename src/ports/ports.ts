import { type Chance, systemChance } from './chance.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Logger } from './logger.ts';

/** What a part of Pinhole needs of the world around it. */
export interface Ports {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly chance: Chance;
}

/** The machine's own, for composition roots. */
export function systemPorts(logger: Logger): Ports {
  return { logger, clock: systemClock, chance: systemChance };
}
