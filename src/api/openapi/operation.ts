import type { JsonSchema } from '../../contract/shape.ts';
import type { ErrorCode } from '../../model/errors.ts';

/** What the document says about an operation beyond what its route declares. */
export interface Operation {
  /** The name of the operation in generated clients. */
  readonly id: string;
  /** A phrase, for lists. */
  readonly summary: string;
  /** Sentences: what it does, and what to know before calling it. */
  readonly description: string;
  /** Errors apart from those that every operation of its kind may answer. */
  readonly errors?: readonly ErrorCode[];
  /** The JSON of a request that works. */
  readonly request?: unknown;
  /** The JSON of an answer, or the text of another media type. */
  readonly answer?: unknown;
  /** Whether a request may say which revision it means, in `If-Match`. */
  readonly conditional?: true;
  /** Whether a repeated request with the same `Idempotency-Key` is answered from the first one. */
  readonly repeatable?: true;
  /** Whether the answer names the revision, in `ETag`. */
  readonly versioned?: true;
  /** The group of an operation whose route declares none. */
  readonly tag?: string;
  /** Status of success where the route declares none. */
  readonly status?: number;
  /** Bodies of a route that declares none. */
  readonly body?: JsonSchema;
  readonly result?: JsonSchema;
  /** Parameters of the query, of a route that declares none. */
  readonly query?: Readonly<Record<string, string>>;
  /** Media type of the answer. Default: JSON. */
  readonly media?: string;
}

/** Operations by method and URL, as routes are registered: `GET /v1/routers/:id`. */
export type Operations = Readonly<Record<string, Operation>>;
