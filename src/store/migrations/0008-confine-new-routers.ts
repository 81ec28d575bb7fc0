import type { Migration } from 'kysely';

/**
 * Notes in a new database that new routers are confined. A database of an earlier version has an epoch by now: its routers were
 * declared without, and new ones there stay alike.
 */
export function confineNewRouters(): Migration {
  return {
    up: async (db) => {
      const epoch = await db.selectFrom('meta').select('value').where('key', '=', 'epoch').executeTakeFirst();
      if (epoch === undefined) await db.insertInto('meta').values({ key: 'confine_new_routers', value: 'true' }).execute();
    },
  };
}
