/** Levels of lists and objects in a body. The deepest that is meant has six. */
export const MAX_DEPTH = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSE: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/**
 * Whether lists and objects in a JSON text are nested more deeply than {@link MAX_DEPTH}. Code that handles values level by level calls
 * itself, and thousands of levels end its stack. The text need not be valid.
 * @param bytes UTF-8
 */
export function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (inText && byte === BACKSLASH) at++;
    else if (byte === QUOTE) inText = !inText;
    else if (!inText && OPEN.has(byte) && ++depth > MAX_DEPTH) return true;
    else if (!inText && CLOSE.has(byte)) depth--;
  }
  return false;
}
