import type { Sql } from './database.js';

export function remove(sql: Sql, request: { readonly id: string }): Promise<void> {
  return sql`DELETE FROM helpers WHERE id = ${request.id}`;
}
