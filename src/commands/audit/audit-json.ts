import type { ChainHead, SignedHead } from '../../contract/audit.ts';
import type { ChainedEntry } from '../../contract/audit-chain.ts';

/** What the API sends of the audit. */
export interface EntryJson extends ChainHead {
  readonly id: number;
  readonly chain: string;
  readonly at: string;
  readonly request_id: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly project_id: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface HeadJson extends ChainHead {
  readonly chain: string;
  readonly at: string;
  readonly key_id: string;
  readonly public_key: string;
  readonly signature: string;
}

export interface ChainJson {
  readonly chain: string;
  readonly anchor: ChainHead;
  readonly tail: ChainHead;
  readonly signed: HeadJson | null;
}

/** An entry as the chain hashes it. */
export function toEntry({ request_id, project_id, ...entry }: EntryJson): ChainedEntry {
  return { ...entry, requestId: request_id, projectId: project_id };
}

/** A head as it was signed. */
export function toHead({ key_id, public_key, ...head }: HeadJson): SignedHead {
  return { ...head, keyId: key_id, publicKey: public_key };
}
