export function chainName(routerId: string): string {
  return `cth-${routerId}`.slice(0, 11); // finds: identifier-cut
}
