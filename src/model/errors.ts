/**
 * Every failure that Pinhole reports, by a stable code. Callers switch on `code`; people read `message`.
 * HTTP status and CLI exit status of each code stand in this one table.
 */
export const ERROR_CODES = {
  'invalid-input': { http: 400, exit: 2 },
  'invalid-message': { http: 400, exit: 1 },
  'duplicate-helper': { http: 400, exit: 1 },
  'helper-not-allowed': { http: 400, exit: 1 },
  'invalid-protocol-for-helper': { http: 400, exit: 1 },
  'quota-exceeded': { http: 409, exit: 1 },
  'netns-in-use': { http: 409, exit: 1 },
  'revision-mismatch': { http: 412, exit: 1 },
  'idempotency-mismatch': { http: 422, exit: 1 },
  'events-gone': { http: 410, exit: 1 },
  unauthenticated: { http: 401, exit: 4 },
  denied: { http: 403, exit: 4 },
  'not-found': { http: 404, exit: 3 },
  /** Is there, but not for whoever asks. */
  hidden: { http: 404, exit: 3 },
  'router-not-found': { http: 404, exit: 3 },
  'helper-not-found': { http: 404, exit: 3 },
  'token-not-found': { http: 404, exit: 3 },
  'too-large': { http: 413, exit: 2 },
  'too-many-requests': { http: 429, exit: 5 },
  overloaded: { http: 503, exit: 5 },
  'identity-unavailable': { http: 503, exit: 5 },
  'store-unavailable': { http: 503, exit: 5 },
  unreachable: { http: 503, exit: 5 },
  timeout: { http: 504, exit: 5 },
  'netns-not-found': { http: 409, exit: 3 },
  'not-served': { http: 409, exit: 1 },
  /** Findings as bad as was asked for, or something that was not reviewed. */
  'review-failed': { http: 500, exit: 1 },
  'remote-failure': { http: 502, exit: 1 },
  'netns-denied': { http: 403, exit: 4 },
  'netns-locked': { http: 409, exit: 1 },
  'kernel-refused': { http: 500, exit: 1 },
  internal: { http: 500, exit: 1 },
} as const satisfies Record<string, { http: number; exit: number }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts beside the message that a program may use: the field at fault, a kernel errno, conflicting values. */
export interface ErrorDetails {
  readonly field?: string;
  readonly errno?: number;
  /** Seconds until it is worth trying again. */
  readonly retryAfter?: number;
  readonly values?: Readonly<Record<string, string | number | null>>;
}

export class PinholeError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A command that has printed its result, and whose result is bad: the output says what, the exit status that. */
export class Reported extends PinholeError {}

/** Something from outside is not what it has to be; `field` names what. */
export class InvalidInput extends PinholeError {
  constructor(field: string, message: string) {
    super('invalid-input', message, { details: { field } });
  }
}

export class NotFound extends PinholeError {
  constructor(kind: 'router' | 'helper' | 'token', id: string) {
    const noun = { router: 'Router', helper: 'Conntrack Helper', token: 'Token' }[kind];
    super(`${kind}-not-found`, `${noun} ${id} could not be found.`);
  }
}

export class Denied extends PinholeError {
  constructor(message: string) {
    super('denied', message);
  }
}

/** Is there, but whoever asks may not know of it. */
export class Hidden extends PinholeError {
  constructor() {
    super('hidden', 'The resource could not be found.');
  }
}

/** The change was meant for another revision of the thing than there is now. */
export class RevisionMismatch extends PinholeError {
  constructor(wanted: number, current: number) {
    super('revision-mismatch', `Constrained to ${wanted}, but current revision is ${current}`);
  }
}

/** The kernel answered a request with an errno; nothing was changed. */
export class KernelRefused extends PinholeError {
  /** @param field name of the object at fault, where the kernel told */
  constructor(errno: number, message: string, field?: string) {
    super('kernel-refused', message, { details: field === undefined ? { errno } : { errno, field } });
  }
}

/** An error as plain data, the form in which it crosses a socket. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export function errorToData(error: unknown): ErrorData {
  if (error instanceof PinholeError) return { code: error.code, message: error.message, details: error.details };
  return { code: 'internal', message: error instanceof Error ? error.message : String(error), details: {} };
}

/** Reads back what {@link errorToData} wrote; an unknown code, from a newer peer, becomes `internal`. */
export function errorFromData(data: ErrorData): PinholeError {
  const code = Object.hasOwn(ERROR_CODES, data.code) ? data.code : 'internal';
  return new PinholeError(code, data.message, { details: data.details });
}

/** The outcome of one item of a batch: each item stands alone, so that one failure never fails the others. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorData };

export function attempt<T>(work: () => T): Result<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error: errorToData(error) };
  }
}

export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw errorFromData(result.error);
}
