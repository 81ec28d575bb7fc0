import { Mismatch } from './mismatch.ts';
import type { JsonSchema, Shape } from './shape.ts';

/** RFC 3339, section 5.6: date, time and offset, with a fraction of up to nine digits. */
const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const WHAT = 'a time like 2030-01-31T12:00:00Z (RFC 3339, years 1970 to 9999)';
const FIRST = Date.UTC(1970, 0, 1);
/** The first moment of the year 10000, which RFC 3339 cannot write. */
const END = Date.UTC(10_000, 0, 1);
const MAX_LENGTH = 40;

/**
 * A time. Any offset is read; the time is kept in UTC with milliseconds (`2030-01-31T12:00:00.000Z`), so that texts sort as times
 * do.
 */
export class TimeShape implements Shape<string> {
  read(value: unknown): string {
    if (typeof value !== 'string' || value.length > MAX_LENGTH) throw new Mismatch(WHAT);
    const time = parse(value);
    if (time === null || time < FIRST || time >= END) throw new Mismatch(WHAT);
    return new Date(time).toISOString();
  }

  write(value: string): string {
    return value;
  }

  schema(): JsonSchema {
    return { type: 'string', format: 'date-time', maxLength: MAX_LENGTH, description: WHAT };
  }
}

/** @returns milliseconds since 1970; null for text that is not a time, or names a day or time of day that does not exist */
function parse(text: string): number | null {
  const [, ...parts] = RFC_3339.exec(text) ?? [];
  if (parts.length === 0) return null;
  const [year, month, day, hour, minute, second] = parts.slice(0, 6).map(Number) as [number, number, number, number, number, number];
  const milliseconds = Number((parts[6] ?? '').padEnd(3, '0').slice(0, 3));
  const local = new Date(Date.UTC(year, month - 1, day, hour, minute, second, milliseconds));
  // Date.UTC normalizes days that do not exist: it turns 30 February into 2 March.
  const exists = local.getUTCMonth() === month - 1 && local.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  const [offsetHour, offsetMinute] = [Number(parts[8] ?? 0), Number(parts[9] ?? 0)];
  if (!exists || offsetHour > 23 || offsetMinute > 59) return null;
  // Date.UTC reads years below 100 as years of the twentieth century.
  if (local.getUTCFullYear() !== year) return null;
  const offset = (offsetHour * 60 + offsetMinute) * 60_000;
  return local.getTime() - (parts[7] === '-' ? -offset : offset);
}
