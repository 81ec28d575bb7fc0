import { readdirSync } from 'node:fs';
import type { Shape } from '../../src/contract/shape.ts';
import type { Message } from '../../src/wire/message.ts';
import * as messages from '../../src/wire/messages.ts';

/** Every shape that src/contract exports, by its name: one that is added is tried without a line here. */
export async function contractShapes(): Promise<[name: string, shape: Shape<unknown>][]> {
  const folder = new URL('../../src/contract/', import.meta.url);
  const found = new Map<string, Shape<unknown>>();
  for (const file of readdirSync(folder)) {
    const exported: Readonly<Record<string, unknown>> = await import(new URL(file, folder).href);
    for (const [name, value] of Object.entries(exported)) if (isShape(value)) found.set(name, value);
  }
  return [...found];
}

/** Both ends of every message between servers and agents. */
export function wireShapes(): [name: string, shape: Shape<unknown>][] {
  const exported: Readonly<Record<string, unknown>> = messages;
  return Object.entries(exported).flatMap(([name, value]): [string, Shape<unknown>][] =>
    isMessage(value)
      ? [
          [`${name} request`, value.request],
          [`${name} answer`, value.answer],
        ]
      : [],
  );
}

function isShape(value: unknown): value is Shape<unknown> {
  return typeof value === 'object' && value !== null && 'read' in value && 'write' in value && 'schema' in value;
}

function isMessage(value: unknown): value is Message<unknown, unknown> {
  return typeof value === 'object' && value !== null && 'method' in value && 'request' in value && 'answer' in value;
}
