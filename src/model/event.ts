/** What happened, for whoever follows `/v1/events`. */
export type EventKind = 'change' | 'status' | 'drift';

export interface NewEvent {
  readonly at: string;
  readonly kind: EventKind;
  /** Whose it is: readers of this project see it. */
  readonly projectId: string;
  readonly routerId: string;
  /** The request that led to it; empty where there was none. */
  readonly requestId: string;
  /** For `change` an audit action with what is there now; for `status` and `drift` what the agent said. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Numbers rise in the order of commits, over all servers, without holes: who has read up to N has missed nothing below. */
export interface StoredEvent extends NewEvent {
  readonly seq: number;
}
