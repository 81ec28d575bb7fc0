/** Which things a program watches, by their names; null: all. */
export type Watched = ReadonlySet<string> | null;

export const NONE_WATCHED: Watched = new Set();
/** Beyond so many names all are watched: the list would cost more than it saves. */
export const MAX_WATCHED = 1_000;

/** Whether one is watched. */
export function isWatched(watched: Watched, name: string): boolean {
  return watched === null || watched.has(name);
}

/** What at least one of several watchers watches. */
export function watchedByAny(all: Iterable<Watched>): Watched {
  const names = new Set<string>();
  for (const watched of all) {
    if (watched === null) return null;
    for (const name of watched) names.add(name);
    if (names.size > MAX_WATCHED) return null;
  }
  return names;
}
