import pg from 'pg';
import { PinholeError } from '../../model/errors.ts';

/** What the database, or the way to it, answered instead of a result. */
export class DatabaseFailure extends Error {
  /** SQLSTATE; empty where no answer came. */
  readonly code: string;

  constructor(cause: unknown) {
    super((cause as Error).message, { cause });
    this.code = cause instanceof pg.DatabaseError ? (cause.code ?? '') : '';
  }

  /** The statement was wrong, not the database (data exceptions, syntax): a mistake of ours. */
  get isMistake(): boolean {
    return /^(22|42)/.test(this.code) && this.code !== DUPLICATE_STATEMENT;
  }
}

/**
 * Statements are named by their text and sent without waiting. One that a failed transaction refuses to prepare is missed by those that
 * were sent behind it, with invalid_sql_statement_name, and then may be prepared twice.
 */
const DUPLICATE_STATEMENT = '42P05';
/** After these the connection and the transaction up to the savepoint are whole (SQLSTATE classes of the manual's appendix A). */
const SURVIVABLE = /^(22|23|25P02|26|40|42|55)/;
/** serialization_failure, deadlock_detected, lock_not_available. */
const CONTENTION = new Set(['40001', '40P01', '55P03']);
/** No answer, or the server going down: it may have committed before. */
const OUTCOME_UNKNOWN = /^(08|57|$)/;

export const isUniqueViolation = (error: unknown): boolean => codeOf(error) === '23505';
export const isFatal = (error: unknown): boolean => error instanceof DatabaseFailure && !SURVIVABLE.test(error.code);
export const isContention = (error: unknown): boolean => CONTENTION.has(codeOf(error) ?? '');
export const isOutcomeUnknown = (error: unknown): boolean => OUTCOME_UNKNOWN.test(codeOf(error) ?? 'none');

function codeOf(error: unknown): string | null {
  return error instanceof DatabaseFailure ? error.code : null;
}

export function isDatabaseError(error: unknown): boolean {
  return error instanceof DatabaseFailure && !error.isMistake;
}

export function unavailable(error: unknown): unknown {
  const cause = error instanceof PinholeError && error.code === 'store-unavailable' ? (error.cause ?? error) : error;
  if (!(cause instanceof DatabaseFailure)) return error;
  return new PinholeError('store-unavailable', `The database cannot be used now: ${cause.message}`, { cause });
}

/** Reads say so by themselves; writes are a batch's. */
export function readFailure(error: DatabaseFailure): Error {
  return error.isMistake ? error : new PinholeError('store-unavailable', 'The database cannot be read now.', { cause: error });
}
