export async function a(url: string): Promise<unknown> {
  return (await fetch(url)).json(); // finds: missing-timeout
}
export function b(items: string[]): string | undefined {
  return items[items.length / 2]; // finds: size-arithmetic
}
export function c(bytes: Uint8Array): number {
  const address = (bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!; // finds: size-arithmetic
  return address;
}
export function d(port: string): boolean {
  return Number(port) === '80'; // finds: mixed-type-comparison
}
export function e(address: string): string {
  const [host, port] = address.split(':'); // finds: address-split-by-colon
  return `${host} ${port}`;
}
export function f(): number {
  const result = compute(); // finds: unused-binding
  return 1;
}
