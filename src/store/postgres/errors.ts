import pg from 'pg';
import { PinholeError } from '../../model/errors.ts';

/** An error of the database, or of the connection to it. */
export class DatabaseFailure extends Error {
  /** SQLSTATE; empty if the database did not answer. */
  readonly code: string;

  constructor(cause: unknown) {
    super((cause as Error).message, { cause });
    this.code = cause instanceof pg.DatabaseError ? (cause.code ?? '') : '';
  }

  /** Whether the statement was wrong and not the database (data exceptions, syntax): a defect of Pinhole. */
  get isMistake(): boolean {
    return /^(22|42)/.test(this.code) && this.code !== DUPLICATE_STATEMENT;
  }
}

/**
 * Statements are named by their text and sent without waiting. If a failed transaction refuses to prepare one, the statements that
 * were sent behind it do not find it (invalid_sql_statement_name), and it may then be prepared twice.
 */
const DUPLICATE_STATEMENT = '42P05';
/**
 * After these errors the connection, and the transaction up to the savepoint, are intact (SQLSTATE classes, PostgreSQL manual,
 * appendix A).
 */
const SURVIVABLE = /^(22|23|25P02|26|40|42|55)/;
/** serialization_failure, deadlock_detected, lock_not_available. */
const CONTENTION = new Set(['40001', '40P01', '55P03']);
/** There was no answer, or the server was shutting down: it may have committed before. */
const OUTCOME_UNKNOWN = /^(08|57|$)/;

/** Whether a unique key refused the statement (unique_violation). */
export const isUniqueViolation = (error: unknown): boolean => codeOf(error) === '23505';
/** Whether nothing of the transaction can be kept after this error. */
export const isFatal = (error: unknown): boolean => error instanceof DatabaseFailure && !SURVIVABLE.test(error.code);
/** Whether another server's lock was the reason, so that a repetition can succeed. */
export const isContention = (error: unknown): boolean => CONTENTION.has(codeOf(error) ?? '');
/** Whether, after this error of a commit, it is unknown if the commit was made. */
export const isOutcomeUnknown = (error: unknown): boolean => OUTCOME_UNKNOWN.test(codeOf(error) ?? 'none');

function codeOf(error: unknown): string | null {
  return error instanceof DatabaseFailure ? error.code : null;
}

/** Whether the database failed, and not a statement of Pinhole's. */
export function isDatabaseError(error: unknown): boolean {
  return error instanceof DatabaseFailure && !error.isMistake;
}

/** Returns `store-unavailable` with the database's message for a failure; any other error unchanged. For opening and migrating. */
export function unavailable(error: unknown): unknown {
  const cause = error instanceof PinholeError && error.code === 'store-unavailable' ? (error.cause ?? error) : error;
  if (!(cause instanceof DatabaseFailure)) return error;
  return new PinholeError('store-unavailable', `The database cannot be used now: ${cause.message}`, { cause });
}

/**
 * Returns the error of a failed read: `store-unavailable`, or the failure itself if a statement was wrong. Writes have no such
 * function, because the engine translates the errors of a whole batch.
 */
export function readFailure(error: DatabaseFailure): Error {
  return error.isMistake
    ? error
    : new PinholeError('store-unavailable', 'The database cannot be read now. Try again later.', { cause: error });
}
