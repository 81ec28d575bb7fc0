import { mapped } from './compounds.ts';
import { Mismatch } from './mismatch.ts';
import { text } from './scalars.ts';

const WHAT = 'a time like 90s, 30m, 12h or 7d';
/** Seconds of each unit, the largest first. */
const UNITS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;

/** A time to live: in seconds in the program, as a number and a unit in text. */
export const TTL = mapped<string, number>(text({ max: 7, pattern: /^[1-9]\d{0,5}[dhms]$/, what: WHAT }), parse, format);

function parse(given: string): number {
  const unit = Object.entries(UNITS).find(([letter]) => given.endsWith(letter));
  if (!unit) throw new Mismatch(WHAT);
  return Number(given.slice(0, -1)) * unit[1];
}

/** The largest unit that fits has the fewest digits. */
function format(seconds: number): string {
  const [letter, size] = Object.entries(UNITS).find(([, one]) => seconds % one === 0) ?? ['s', 1];
  return `${seconds / size}${letter}`;
}
