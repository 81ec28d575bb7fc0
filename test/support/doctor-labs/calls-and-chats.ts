import type { DoctorCase } from './lab.ts';
import { STRICT } from './lab.ts';

const FTP_ONLY = STRICT.replace(
  'ct state established,related accept',
  'ct state established accept\n    ct state related ct helper "ftp" accept',
);

const guard = (rule: string) => `${STRICT} table inet guard { chain c { type filter hook forward priority -10; policy accept; ${rule}; } }`;

/** Faults that SIP calls and IRC meet. */
export const CALLS_AND_CHATS: readonly DoctorCase[] = [
  {
    name: 'related accepted for FTP alone, and a SIP call',
    nft: FTP_ONLY,
    traffic: 'sip',
    works: false,
    cause: /sip udp\/5060 ipv[46] media (in|out).*inet filter forward by its policy/,
  },
  {
    name: 'media of a SIP call dropped before it is accepted',
    nft: guard('ct state related udp dport 1024-65535 drop'),
    traffic: 'sip',
    works: false,
    cause: /media (in|out).*inet guard c handle \d+ .*udp dport 1024-65535 drop/,
  },
  {
    name: 'related accepted for FTP alone, and a file by DCC',
    nft: FTP_ONLY,
    traffic: 'irc',
    works: false,
    cause: /irc tcp\/6667 ipv4 DCC.*inet filter forward by its policy/,
  },
  {
    name: 'no connection opened from outside, and a file by DCC',
    nft: guard('iifname "wan" tcp flags & (syn | ack) == syn drop'),
    traffic: 'irc',
    works: false,
    cause: /DCC.*inet guard c handle \d+ .*drop/,
  },
];
