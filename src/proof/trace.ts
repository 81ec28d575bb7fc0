/** The verdicts of `nft monitor trace` that end packets, by the packet's destination port. */
export interface Stopped {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** Table, chain and rule: `inet filter forward: the policy drops`, `inet filter forward: ct state related drop`. */
  readonly by: string;
}

/**
 * Reads a trace. A packet that no rule drops ends without a verdict of that kind, and is left out.
 * @param ignored name of the table that asks for the trace
 */
export function readTrace(text: string, ignored: string): Stopped[] {
  const packets = new Map<string, Omit<Stopped, 'by'>>();
  const stopped: Stopped[] = [];
  for (const line of text.split('\n')) {
    const [, id = '', place = '', kind = '', rest = ''] =
      /^trace id (\w+) (\S+ \S+ \S+) (packet|rule|verdict|policy):? ?(.*)$/.exec(line) ?? [];
    if (kind === 'packet') {
      const packet = packetOf(rest);
      if (packet && !packets.has(id)) packets.set(id, packet);
      continue;
    }
    const packet = packets.get(id);
    if (!packet || place.split(' ')[1] === ignored) continue;
    if (kind === 'policy' && rest.startsWith('drop')) stopped.push({ ...packet, by: `${place}: the policy drops` });
    const [, rule] = kind === 'rule' ? (/^(.*) \(verdict (?:drop|stolen)\)$/.exec(rest) ?? []) : [];
    if (rule !== undefined) stopped.push({ ...packet, by: `${place}: ${rule}` });
  }
  return stopped;
}

function packetOf(text: string): Omit<Stopped, 'by'> | null {
  const [, address] = /\bip6? daddr (\S+)/.exec(text) ?? [];
  const [, protocol, port] = /\b(tcp|udp) dport (\d+)/.exec(text) ?? [];
  if (address === undefined || port === undefined || (protocol !== 'tcp' && protocol !== 'udp')) return null;
  return { protocol, address, port: Number(port) };
}
