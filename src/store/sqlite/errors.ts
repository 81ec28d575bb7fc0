import BetterSqlite from 'better-sqlite3';

/** After these errors the transaction or the connection cannot be used further (result codes of SQLite's C interface). */
const FATAL = /^SQLITE_(FULL|IOERR|CORRUPT|NOTADB|NOMEM|READONLY|CANTOPEN|BUSY|PROTOCOL)/;

/** Whether SQLite reported the error. */
export function isDatabaseError(error: unknown): error is { code: string } {
  return error instanceof BetterSqlite.SqliteError;
}

/** Whether a unique or primary key refused the statement. */
export function isUniqueViolation(error: unknown): boolean {
  return isDatabaseError(error) && (error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY');
}

/** Whether nothing of the transaction can be kept after this error. */
export function isFatal(error: unknown): boolean {
  return isDatabaseError(error) && FATAL.test(error.code);
}

/** `begin immediate` waits for other writers, so that a transaction that has begun meets none. */
export const isContention = (): boolean => false;

/** A commit that fails here was not made; see `SqliteWriter.rollback`. */
export const isOutcomeUnknown = (): boolean => false;
