import type { Compilable, CompiledQuery, Kysely } from 'kysely';

/** Stands for a value in a query that is compiled once. */
class Parameter {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

type Values = Readonly<Record<string, unknown>>;

/**
 * A query that is built and compiled at its first run only; later runs bind their values into the compiled SQL. Building is
 * most of what a small query costs.
 */
export class Prepared<V extends Values, DB, O> {
  readonly #build: (db: Kysely<DB>, parameter: <K extends keyof V & string>(name: K) => V[K]) => Compilable<O>;
  #compiled: CompiledQuery<O> | null = null;

  constructor(build: (db: Kysely<DB>, parameter: <K extends keyof V & string>(name: K) => V[K]) => Compilable<O>) {
    this.#build = build;
  }

  async run(db: Kysely<DB>, values: V): Promise<{ rows: O[]; changed: number }> {
    this.#compiled ??= this.#build(db, (name) => new Parameter(name) as unknown as V[typeof name]).compile();
    const compiled = this.#compiled;
    const parameters = compiled.parameters.map((value) => (value instanceof Parameter ? values[value.name] : value));
    const result = await db.executeQuery<O>({ ...compiled, parameters });
    return { rows: result.rows, changed: Number(result.numAffectedRows ?? 0n) };
  }
}
