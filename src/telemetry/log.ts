import { pino } from 'pino';
import type { Logger } from '../ports/logger.ts';

/** Fields that may hold a secret, at the top and one level down. */
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

/**
 * A logger that writes JSON lines to standard error, since standard output belongs to the command. It writes before it returns.
 * @param component name of the process, in every line
 * @param level pino's name of the lowest level to write, like `info`
 */
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
