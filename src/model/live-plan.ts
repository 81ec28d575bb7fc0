/** One difference between a router's desired and observed table. Data, for people and programs. */
export interface TableDifference {
  readonly change: 'add' | 'remove' | 'replace';
  readonly what: 'table' | 'object' | 'chain' | 'rule';
  /** The object's or chain's name; for a rule its chain. */
  readonly name: string;
  readonly detail: string;
}

/** What a sync would do now, as an agent found by reading its kernel. */
export interface LivePlan {
  /** Empty where observed equals desired. */
  readonly changes: readonly TableDifference[];
  /** Parts of our table that are not of Pinhole's making; a sync removes them. */
  readonly foreign: readonly string[];
  /** The desired table as nft text; null for none. */
  readonly table: string | null;
}
