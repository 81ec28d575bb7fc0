import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import type { Database, Outcome } from './database.ts';
import type { Schema } from './schema.ts';

/** A placeholder for a value in a query that is compiled once. */
class Parameter {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

type Values = Readonly<Record<string, unknown>>;

/**
 * A query that is built and compiled at its first run. Later runs only bind their values into the compiled SQL: for a small query,
 * building costs more than running it.
 */
export class Prepared<V extends Values, O> {
  readonly #build: (db: Kysely<Schema>, parameter: <K extends keyof V & string>(name: K) => V[K]) => Compilable<O>;
  #compiled: CompiledQuery<O> | null = null;

  /** @param build builds the query; `parameter(name)` stands for the value that `run` gets under that name */
  constructor(build: (db: Kysely<Schema>, parameter: <K extends keyof V & string>(name: K) => V[K]) => Compilable<O>) {
    this.#build = build;
  }

  /** Runs the query with these values. @throws the database's error */
  async run(database: Database, values: V): Promise<Outcome<O>> {
    this.#compiled ??= this.#build(database.db, (name) => new Parameter(name) as unknown as V[typeof name]).compile();
    const compiled = this.#compiled;
    const parameters = compiled.parameters.map((value) => (value instanceof Parameter ? values[value.name] : value));
    return database.run(compiled, parameters);
  }
}
