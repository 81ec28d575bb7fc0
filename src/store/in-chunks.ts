/** Number of values in one query. Databases bound the parameters of a statement. */
const IN_CHUNK = 500;

/** Returns the rows of a query over many ids, asked for in parts. However many rows there are, none is an argument of a call. */
export async function inChunks<T>(ids: readonly string[], query: (ids: string[]) => Promise<readonly T[]>): Promise<T[]> {
  const parts: (readonly T[])[] = [];
  for (let at = 0; at < ids.length; at += IN_CHUNK) parts.push(await query(ids.slice(at, at + IN_CHUNK)));
  return parts.flat();
}
