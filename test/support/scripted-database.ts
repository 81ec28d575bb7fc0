import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Database, Outcome } from '../../src/store/database.ts';
import type { Schema } from '../../src/store/schema.ts';

/** A statement as a database gets it. */
export interface Asked {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** No database: every statement is noted, and answered by a script with rows. */
export class ScriptedDatabase implements Database {
  readonly asked: Asked[] = [];
  readonly db: Kysely<Schema>;
  readonly #answer: (asked: Asked) => readonly unknown[] | Promise<readonly unknown[]>;

  constructor(answer: (asked: Asked) => readonly unknown[] | Promise<readonly unknown[]> = () => []) {
    this.#answer = answer;
    const ask = (asked: Asked) => this.#ask(asked);
    this.db = new Kysely<Schema>({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
        createDriver: () => new ScriptedDriver(ask),
      },
    });
  }

  async run<O>(query: CompiledQuery<O>, parameters: readonly unknown[]): Promise<Outcome<O>> {
    const rows = (await this.#ask({ sql: query.sql, parameters })) as O[];
    return { rows, changed: rows.length };
  }

  /** The statements that begin so. */
  of(beginning: string): Asked[] {
    return this.asked.filter(({ sql }) => sql.startsWith(beginning));
  }

  async #ask(asked: Asked): Promise<unknown[]> {
    this.asked.push(asked);
    return [...(await this.#answer(asked))];
  }
}

class ScriptedDriver implements Driver {
  readonly #connection: DatabaseConnection;

  constructor(ask: (asked: Asked) => Promise<unknown[]>) {
    this.#connection = {
      executeQuery: async <R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> => ({
        rows: (await ask({ sql, parameters })) as R[],
        numAffectedRows: 0n,
      }),
      // biome-ignore lint/correctness/useYield: nothing is streamed here
      streamQuery: async function* () {
        throw new Error('nothing is streamed here');
      },
    };
  }

  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  async beginTransaction(): Promise<void> {}
  async commitTransaction(): Promise<void> {}
  async rollbackTransaction(): Promise<void> {}
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}
