import type { FastifyInstance } from 'fastify';
import { asPinholeError } from '../contract/mismatch.ts';
import type { JsonSchema, Shape } from '../contract/shape.ts';

/** Where a schema keeps the shape that it was made of. */
const SHAPE = Symbol('shape');

type SchemaOfShape = JsonSchema & { readonly [SHAPE]: Shape<unknown> };

/** The JSON Schema of a shape for a route: it documents, and {@link readByContract} reads by the shape itself. */
export function schemaOf(shape: Shape<unknown>): JsonSchema {
  return { ...shape.schema(), [SHAPE]: shape };
}

/**
 * Requests are read by the contract's shapes, so that a handler gets what every other reader of the entity would read, and what is
 * refused is refused in the same words everywhere. Answers are written by the handlers through the same shapes.
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
