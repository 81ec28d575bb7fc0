import { documented, list, nullable } from './compounds.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import type { Of } from './shape.ts';

/** Part of a table as nft text. The longest is a map with many ports. */
const NFT_TEXT = text({ max: 256 * 1024, multiline: true, what: 'nft text' });
/** A whole table as nft text. */
const NFT_TABLE = text({ max: 1024 * 1024, multiline: true, what: 'a table as nft text' });
const MAX_CHANGES = 10_000;

export const TABLE_DIFFERENCE = record({
  change: oneOf('add', 'remove', 'replace'),
  what: oneOf('table', 'object', 'chain', 'rule'),
  name: documented(text({ max: 64, what: 'a name in nft' }), "the object's or chain's name; for a rule its chain"),
  detail: NFT_TEXT,
});
/** One difference between a router's desired and observed table, for people and programs. */
export type TableDifference = Of<typeof TABLE_DIFFERENCE>;

export const LIVE_PLAN = record({
  changes: documented(list(TABLE_DIFFERENCE, MAX_CHANGES), 'empty where observed equals desired'),
  foreign: documented(list(NFT_TEXT, MAX_CHANGES), 'parts of our table that Pinhole did not make; a sync removes them'),
  table: documented(nullable(NFT_TABLE), 'the desired table as nft text; null for none'),
});
/** What a sync would change now. The agent reads its kernel to find out. */
export type LivePlan = Of<typeof LIVE_PLAN>;
