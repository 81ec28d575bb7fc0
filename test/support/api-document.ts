import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

type Json = Readonly<Record<string, unknown>>;

/** An operation of the document, by which a test calls it and checks its answers. */
export interface DescribedOperation {
  readonly method: string;
  /** With `{id}` for parameters. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly examples?: { readonly usual: { readonly value: unknown } } }>>;
  };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Json }>> }>>;
}

/** Checks answers of the API against its document. */
export class ApiDocument {
  readonly operations: readonly DescribedOperation[];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(document: Json) {
    // OpenAPI's own keywords are no part of JSON Schema.
    (formats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    this.#ajv.addSchema({ $id: 'document', ...document });
    this.operations = Object.entries(document['paths'] as Readonly<Record<string, Json>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ ...(operation as DescribedOperation), method: method.toUpperCase(), path })),
    );
  }

  /** Returns what is wrong with an answer; an empty list if the document describes it. */
  problemsOf({ path, method, responses }: DescribedOperation, answer: { status: number; type: string | null; body: unknown }): string[] {
    const described = responses[answer.status];
    if (!described) return [`status ${answer.status} is not described`];
    if (!described.content) return answer.body === '' ? [] : ['a body that is not described'];
    const media = answer.type?.split(';')[0] ?? '';
    if (!described.content[media]) return [`'${media}' is not described`];
    const pointer = ['paths', path, method.toLowerCase(), 'responses', String(answer.status), 'content', media, 'schema'];
    const place = pointer.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    const validate = this.#ajv.getSchema(`document#/${place}`) as ((value: unknown) => boolean) & { errors?: unknown[] };
    return validate(answer.body) ? [] : [JSON.stringify(validate.errors)];
  }
}
