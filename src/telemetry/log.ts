import { pino } from 'pino';
import type { Logger } from '../ports/logger.ts';

/** Fields that may hold a secret, wherever they stand. */
const REDACTED = [
  'authorization',
  'token',
  'secret',
  'password',
  '*.authorization',
  '*.token',
  '*.secret',
  '*.password',
  'headers["x-auth-token"]',
];

/** JSON lines on standard error: standard output is a command's own. */
export function createLogger(component: string, level: string): Logger {
  return pino(
    {
      level,
      base: { component, pid: process.pid },
      redact: { paths: REDACTED, censor: '[redacted]' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
