import { PeerLab } from './peer-lab.ts';

export const ADDRESSES = {
  v4: { client: '10.78.1.2', lan: '10.78.1.1', wan: '10.78.2.1', server: '10.78.2.2', broadcast: '10.78.2.255' },
  v6: { client: 'fd78:1::2', lan: 'fd78:1::1', wan: 'fd78:2::1', server: 'fd78:2::2' },
} as const;

const TCP = '21, 2121, 1720, 1723, 5060, 6566, 6667';
const UDP = '69, 1719, 5060, 10080, 161';

/** Nothing comes through that was not asked for: related connections are accepted, and without helpers there are none. */
const FIREWALL = `
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    iifname "lo" accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" tcp dport { ${TCP} } accept
    iifname "lan" udp dport { ${UDP} } accept
  }
}
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; oifname "wan" masquerade; }
}
`;

/**
 * client ── lan │ router │ wan ── server: IPv4 with NAT, IPv6 without, a forward policy of drop.
 */
export class RouterLab extends PeerLab {
  async build(): Promise<void> {
    const { v4, v6 } = ADDRESSES;
    const net = this.network;
    for (const host of ['client', 'router', 'server']) await net.addHost(host);
    await net.link(
      { host: 'client', interface: 'eth0', addresses: [`${v4.client}/24`, `${v6.client}/64`] },
      { host: 'router', interface: 'lan', addresses: [`${v4.lan}/24`, `${v6.lan}/64`] },
    );
    await net.link(
      { host: 'server', interface: 'eth0', addresses: [`${v4.server}/24`, `${v6.server}/64`] },
      { host: 'router', interface: 'wan', addresses: [`${v4.wan}/24`, `${v6.wan}/64`] },
    );
    await net.route('client', 'default', v4.lan);
    await net.route('client', 'default', v6.lan);
    await net.route('server', 'default', v6.wan);
    await net.sysctl('router', { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
    await net.nft('router', FIREWALL);
  }

  /** Forgets connections, so that one test's do not carry another's. */
  async forgetConnections(): Promise<void> {
    await this.network.exec('router', ['conntrack', '-F']).catch(() => undefined);
  }
}
