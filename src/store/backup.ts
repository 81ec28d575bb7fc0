import { InvalidInput } from '../model/errors.ts';
import { MIGRATION_NAMES } from './migrate.ts';

/** What a restored database is, and where the one before it is kept. */
export interface Restored {
  readonly installation: string;
  /** The new epoch. Agents compare it with the one that they know. */
  readonly epoch: string;
  /** Path or schema that keeps the previous database; null if there was none. */
  readonly previous: string | null;
}

/** A request to restore a backup. */
export interface RestoreRequest {
  /** Path of the backup, for messages. */
  readonly file: string;
  /** Whether a backup of another installation may replace this one. */
  readonly force: boolean;
  /** The time of the restore, which names what it replaces. */
  readonly at: Date;
}

/** What a backup says about itself: the migrations that ran, and the table `meta`. */
export interface Contents {
  readonly migrations: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
}

/**
 * Checks that this version can work with a backup, and that it is of the installation that it would replace.
 * @param current the installation of the database that is there; null for none
 * @returns the installation of the restored database: the backup's, or `current` for a backup that is older than installations
 * @throws InvalidInput
 */
export function checkBackup({ migrations, meta }: Contents, current: string | null, { file, force }: RestoreRequest): string | null {
  if (!migrations.includes(MIGRATION_NAMES[0] as string) || !meta.has('epoch')) throw notABackup(file);
  const unknown = migrations.filter((name) => !MIGRATION_NAMES.includes(name));
  if (unknown.length > 0 && !MIGRATION_NAMES.includes(meta.get('needs') ?? ''))
    throw refused(
      `${file} is of a newer version (${unknown.join(', ')}) than this Pinhole, which knows ${MIGRATION_NAMES.at(-1)}. Upgrade it first.`,
    );
  const own = meta.get('installation') ?? current;
  if (current !== null && own !== current && !force)
    throw refused(
      `${file} is of installation ${own}, and the database here of ${current}. The agents of ${current} would take its tables for another's. With --force, it is restored all the same.`,
    );
  return own;
}

/** Returns the error for a file that is no backup of Pinhole. */
export function notABackup(file: string): InvalidInput {
  return refused(`${file} is no backup of a Pinhole database.`);
}

/** A moment as part of a name: digits and letters only, so that it needs no quotes in SQL. */
export function stampOf(at: Date): string {
  return at
    .toISOString()
    .toLowerCase()
    .replace(/[^0-9tz]/g, '');
}

function refused(message: string): InvalidInput {
  return new InvalidInput('file', message);
}
