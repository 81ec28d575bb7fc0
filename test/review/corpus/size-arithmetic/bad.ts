export function address(bytes: Uint8Array): number {
  return (bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!; // finds: size-arithmetic
}

export function half(size: number): Buffer {
  return Buffer.alloc(size / 2); // finds: size-arithmetic
}
