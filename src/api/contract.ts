import type { FastifyInstance } from 'fastify';
import { asPinholeError } from '../contract/mismatch.ts';
import type { JsonSchema, Shape } from '../contract/shape.ts';

/** The property in which a schema keeps the shape that it was made from. */
const SHAPE = Symbol('shape');

type SchemaOfShape = JsonSchema & { readonly [SHAPE]: Shape<unknown> };

/** Returns a shape's JSON Schema for a route. The schema is for documentation; {@link readByContract} reads by the shape itself. */
export function schemaOf(shape: Shape<unknown>): JsonSchema {
  return { ...shape.schema(), [SHAPE]: shape };
}

/**
 * Makes the routes of `app` read requests by the contract's shapes. A handler then gets the same value as every other reader of
 * the entity, and a refusal has the same words everywhere. Handlers write their answers through the same shapes, so that the
 * serializer has nothing left to check.
 */
export function readByContract(app: FastifyInstance): void {
  app.setValidatorCompiler(({ schema }) => {
    const { [SHAPE]: shape } = schema as SchemaOfShape;
    return (value: unknown) => {
      try {
        return { value: shape.read(value) };
      } catch (error) {
        return { error: asPinholeError(error, '', 'input') as Error };
      }
    };
  });
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
}
