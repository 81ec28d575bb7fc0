export function address(bytes: Uint8Array): number {
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
}

export function half(size: number): Buffer {
  return Buffer.alloc(Math.floor(size / 2));
}
