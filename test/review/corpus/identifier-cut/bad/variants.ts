export const chainName = (id: string): string => `cth-${id}`.slice(0, 11); // finds: identifier-cut
export function deviceName(portId: string): string {
  return ('tap' + portId).substring(0, 14); // finds: identifier-cut
}
export function ifname(routerId: string): string {
  const name = 'qr-' + routerId;
  return name.substr(0, 15); // finds: identifier-cut
}
