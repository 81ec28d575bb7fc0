export function mix(state: number, byte: number): number {
  return (state << 31) | (byte << 24) | (state >>> 1);
}

export function bytesOf(hex: string): Uint8Array {
  if (hex.length % 2 !== 0) throw new Error('half a byte');
  return new Uint8Array(hex.length / 2);
}

const LIMIT = 100;

export function firstHalf(items: readonly string[]): readonly string[] {
  return items.slice(0, LIMIT / 2);
}
