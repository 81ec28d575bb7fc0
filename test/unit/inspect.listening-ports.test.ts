import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listeningPorts } from '../../src/inspect/listening-ports.ts';

const HEADER = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (local: string, state: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1\n`;
const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');

describe('the ports on which a machine listens', () => {
  let proc: string;
  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'pinhole-ports-'));
    for (const folder of ['net', 'sys/net/ipv4']) mkdirSync(join(proc, folder), { recursive: true });
    writeFileSync(join(proc, 'sys/net/ipv4/ip_local_port_range'), '32768\t60999\n');
  });
  afterEach(() => rmSync(proc, { recursive: true }));
  const write = (name: string, ...lines: string[]) => writeFileSync(join(proc, 'net', name), HEADER + lines.join(''));

  it('are those of listening TCP sockets of both families, each once, from 1024', () => {
    write('tcp', line(`00000000:${hex(8081)}`, '0A'), line(`0200000A:${hex(5000)}`, '0A'), line(`00000000:${hex(22)}`, '0A'));
    write('tcp6', line(`${'0'.repeat(32)}:${hex(8081)}`, '0A'), line(`${'0'.repeat(32)}:${hex(9000)}`, '0A'));
    expect(listeningPorts(proc)).toEqual([5000, 8081, 9000]);
  });

  it('are not those of connections, nor those that only programs of the machine reach', () => {
    write('tcp', line(`0200000A:${hex(4000)}`, '01'), line(`0100007F:${hex(4001)}`, '0A'));
    write('tcp6', line(`00000000000000000000000001000000:${hex(4002)}`, '0A'));
    expect(listeningPorts(proc)).toEqual([]);
  });

  it('are those of UDP sockets too, unless the kernel chose the port', () => {
    write('udp', line(`00000000:${hex(5353)}`, '07'), line(`00000000:${hex(40_000)}`, '07'), line(`00000000:${hex(5354)}`, '01'));
    expect(listeningPorts(proc)).toEqual([5353]);
  });

  it('are none where the kernel tells nothing', () => {
    expect(listeningPorts(join(proc, 'missing'))).toEqual([]);
  });
});
