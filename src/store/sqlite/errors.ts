import BetterSqlite from 'better-sqlite3';

/** After these the connection or its transaction is not to be gone on with (result codes of SQLite's C interface). */
const FATAL = /^SQLITE_(FULL|IOERR|CORRUPT|NOTADB|NOMEM|READONLY|CANTOPEN|BUSY|PROTOCOL)/;

export function isDatabaseError(error: unknown): error is { code: string } {
  return error instanceof BetterSqlite.SqliteError;
}

export function isUniqueViolation(error: unknown): boolean {
  return isDatabaseError(error) && (error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY');
}

export function isFatal(error: unknown): boolean {
  return isDatabaseError(error) && FATAL.test(error.code);
}

/** `begin immediate` waits for other writers, so a transaction that has begun meets none. */
export const isContention = (): boolean => false;

/** A commit that fails here was not made; see `SqliteWriter.rollback`. */
export const isOutcomeUnknown = (): boolean => false;
