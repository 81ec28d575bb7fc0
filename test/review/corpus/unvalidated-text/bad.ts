export function rule(helper: any): string {
  return `tcp dport ${helper.port} ct helper set "${helper.name}"`; // finds: unvalidated-text
}
