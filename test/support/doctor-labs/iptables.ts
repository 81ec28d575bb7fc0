import type { DoctorCase } from './lab.ts';
import { iptablesFilter, restore } from './rulesets.ts';

const ESTABLISHED = '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT';
const BOTH = '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT';

/** Faults in rules of iptables, of either kind. */
export const IPTABLES: readonly DoctorCase[] = [
  {
    name: 'iptables: a conntrack match that is about something else',
    nft: '',
    router: restore('iptables-nft-restore', iptablesFilter(ESTABLISHED, '-A FORWARD -p icmp -m conntrack --ctstate RELATED -j ACCEPT')),
    traffic: 'passive',
    works: false,
    cause: /ip filter FORWARD by its policy/,
  },
  {
    name: 'iptables: related of another helper',
    nft: '',
    router: restore(
      'iptables-nft-restore',
      iptablesFilter(ESTABLISHED, '-A FORWARD -m conntrack --ctstate RELATED -m helper --helper sip -j ACCEPT'),
    ),
    traffic: 'passive',
    works: false,
    cause: /ip filter FORWARD by its policy/,
  },
  {
    name: 'iptables: a final reject in a chain of its own',
    nft: '',
    router: restore(
      'iptables-nft-restore',
      `*filter\n:FORWARD ACCEPT [0:0]\n:guard - [0:0]\n${ESTABLISHED}
-A FORWARD -i lan -p tcp -m tcp --dport 21 -j ACCEPT\n-A FORWARD -j guard\n-A guard -j REJECT --reject-with icmp-port-unreachable\nCOMMIT`,
    ),
    traffic: 'passive',
    works: false,
    cause: /ip filter guard .*REJECT/,
  },
  {
    name: 'iptables-legacy: a policy that drops',
    nft: '',
    router: restore('iptables-legacy-restore', iptablesFilter(ESTABLISHED)),
    traffic: 'passive',
    works: false,
    cause: /legacy.*ip filter FORWARD by its policy/,
  },
  {
    name: 'iptables-legacy: not tracked',
    nft: '',
    router: `${restore('iptables-legacy-restore', iptablesFilter('-A FORWARD -m conntrack --ctstate UNTRACKED -j ACCEPT', BOTH))}
${restore('iptables-legacy-restore --noflush', '*raw\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --notrack\n-A PREROUTING -p tcp -m tcp --sport 21 -j CT --notrack\nCOMMIT')}`,
    traffic: 'passive',
    works: false,
    cause: /legacy.*ip raw PREROUTING .*--dport 21 -j CT --notrack/,
  },
  {
    name: 'iptables assigns another helper first',
    nft: '',
    router: restore(
      'iptables-nft-restore',
      `*raw\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper irc\nCOMMIT\n${iptablesFilter(BOTH)}`,
    ),
    traffic: 'passive',
    works: false,
    cause: /ip raw PREROUTING .*--helper irc/,
  },
];
