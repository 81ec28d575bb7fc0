export function hostOf(endpoint: string): string {
  return endpoint.split(':')[0]!; // finds: address-split-by-colon
}
