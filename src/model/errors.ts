/**
 * The failures that Pinhole reports, by a stable code, with HTTP status and exit status. Programs switch on `code`; people read
 * `message`.
 */
export const ERROR_CODES = {
  'invalid-input': { http: 400, exit: 2 },
  'invalid-message': { http: 400, exit: 1 },
  'duplicate-helper': { http: 400, exit: 1 },
  'helper-not-allowed': { http: 400, exit: 1 },
  'invalid-protocol-for-helper': { http: 400, exit: 1 },
  'quota-exceeded': { http: 409, exit: 1 },
  'netns-in-use': { http: 409, exit: 1 },
  /** A router would move to a host that does not serve it now. */
  'host-unavailable': { http: 409, exit: 1 },
  /** A host cannot be forgotten: it is alive, or routers name it. */
  'host-in-use': { http: 409, exit: 1 },
  /** The pull that an operator confirms is not held, or not any more. */
  'not-held': { http: 409, exit: 1 },
  'host-not-found': { http: 404, exit: 3 },
  'revision-mismatch': { http: 412, exit: 1 },
  'idempotency-mismatch': { http: 422, exit: 1 },
  'events-gone': { http: 410, exit: 1 },
  unauthenticated: { http: 401, exit: 4 },
  denied: { http: 403, exit: 4 },
  'not-found': { http: 404, exit: 3 },
  /** The resource exists, but the principal may not see it. */
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
  /** A review found something of the severity that fails, or could not review everything. */
  'review-failed': { http: 500, exit: 1 },
  'remote-failure': { http: 502, exit: 1 },
  'netns-denied': { http: 403, exit: 4 },
  'netns-locked': { http: 409, exit: 1 },
  /** Pinhole's table does not stand there any more as it was seen: another program has changed it. */
  'table-changed': { http: 409, exit: 1 },
  'kernel-refused': { http: 500, exit: 1 },
  /** A program that a command runs is not installed. */
  'program-missing': { http: 500, exit: 1 },
  internal: { http: 500, exit: 1 },
} as const satisfies Record<string, { http: number; exit: number }>;

/** A stable code. Clients must accept codes that they do not know. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts for programs: the field at fault, an errno of the kernel, conflicting values. */
export interface ErrorDetails {
  readonly field?: string;
  readonly errno?: number;
  /** Seconds after which a repetition can succeed. */
  readonly retryAfter?: number;
  readonly values?: Readonly<Record<string, string | number | null>>;
}

/** A failure with a stable code. Its message is for people and contains no secret. */
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

/** A command has printed a result that is bad. The output says what is bad, and the exit status that something is. */
export class Reported extends PinholeError {}

/** Input from outside is not valid. `details.field` names the field; the message says what would be right. */
export class InvalidInput extends PinholeError {
  constructor(field: string, message: string) {
    super('invalid-input', message, { details: { field } });
  }
}

/** There is no resource with this id. The message is Neutron's. */
export class NotFound extends PinholeError {
  constructor(kind: 'router' | 'helper' | 'token' | 'host', id: string) {
    const noun = { router: 'Router', helper: 'Conntrack Helper', token: 'Token', host: 'Host' }[kind];
    super(`${kind}-not-found`, `${noun} ${id} could not be found.`);
  }
}

/** The policy refuses the access. */
export class Denied extends PinholeError {
  constructor(message: string) {
    super('denied', message);
  }
}

/** The resource exists, but the principal may not see it. The message does not reveal that it exists. */
export class Hidden extends PinholeError {
  constructor() {
    super('hidden', 'The resource could not be found.');
  }
}

/** The change was meant for another revision than the current one. The message is Neutron's. */
export class RevisionMismatch extends PinholeError {
  constructor(wanted: number, current: number) {
    super('revision-mismatch', `Constrained to ${wanted}, but current revision is ${current}`);
  }
}

/** The kernel refused a request with an errno (positive, errno.h). The request changed nothing. */
export class KernelRefused extends PinholeError {
  /** @param field name of the object at fault, if the kernel named it */
  constructor(errno: number, message: string, field?: string) {
    super('kernel-refused', message, { details: field === undefined ? { errno } : { errno, field } });
  }
}

/** An error as plain data, as it crosses sockets and the bus. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

/** Returns an error as plain data. An error of another class becomes `internal` with its message. */
export function errorToData(error: unknown): ErrorData {
  if (error instanceof PinholeError) return { code: error.code, message: error.message, details: error.details };
  return { code: 'internal', message: error instanceof Error ? error.message : String(error), details: {} };
}

/** Returns the error that {@link errorToData} wrote. An unknown code, from a newer peer, becomes `internal`. */
export function errorFromData(data: ErrorData): PinholeError {
  const code = Object.hasOwn(ERROR_CODES, data.code) ? data.code : 'internal';
  return new PinholeError(code, data.message, { details: data.details });
}

/** The outcome of one item of a batch. A failed item does not affect the others. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorData };

/** Runs `work` and returns its result or its error as data. Never throws. */
export function attempt<T>(work: () => T): Result<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error: errorToData(error) };
  }
}

/** Returns the value of a result. @throws PinholeError with the result's error */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw errorFromData(result.error);
}
