import { readFileSync } from 'node:fs';

/** Ports below this one are blocked by confinement in any case. */
const FIRST = 1024;
const TCP_LISTEN = '0A';
const UDP_UNCONNECTED = '07';

/**
 * Ports from 1024 on which a program in the network namespace of this process listens, in ascending order. Without those of the loopback
 * addresses, and without UDP sockets of programs that only ask others (ports of `ip_local_port_range`).
 */
export function listeningPorts(proc = '/proc'): number[] {
  const files = (protocol: string) => [protocol, `${protocol}6`].map((name) => readText(`${proc}/net/${name}`));
  const [low = 32_768, high = 60_999] = readText(`${proc}/sys/net/ipv4/ip_local_port_range`).split(/\s+/).filter(Boolean).map(Number);
  const tcp = files('tcp').flatMap((text) => portsOf(text, TCP_LISTEN));
  const udp = files('udp').flatMap((text) => portsOf(text, UDP_UNCONNECTED));
  const kept = [...tcp, ...udp.filter((port) => port < low || port > high)].filter((port) => port >= FIRST);
  return [...new Set(kept)].sort((a, b) => a - b);
}

/** The local ports of sockets in a state: lines as of net/ipv4/tcp_ipv4.c (`get_tcp4_sock`), `sl local_address rem_address st …`. */
function portsOf(text: string, state: string): number[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, local = '', , found]) => {
      const [address = '', port = ''] = local.split(':');
      return found === state && !isLoopback(address) ? [Number.parseInt(port, 16)] : [];
    });
}

/** Addresses are words in the byte order of the machine: little endian on every machine that Pinhole runs on. */
function isLoopback(address: string): boolean {
  return address.length === 8 ? address.endsWith('7F') : address === '00000000000000000000000001000000';
}

/** Without IPv6 there is no file of it. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
