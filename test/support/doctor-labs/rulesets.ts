import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Rulesets as the programs of Debian 12 wrote them: firewalld 1.3.3 with `lan` in zone internal, `wan` in zone external and a policy
 * between the two that allows the services ftp and tftp; ufw 0.36.2 with routes allowed from `lan` to `wan` on ports 21 and 69.
 */
function recorded(name: string): string {
  return readFileSync(join(import.meta.dirname, 'rulesets', name), 'utf8');
}

export const FIREWALLD = recorded('firewalld.nft');
export const UFW = { v4: recorded('ufw.v4.rules'), v6: recorded('ufw.v6.rules') };

/** A shell command that feeds text to a restoring program. */
export function restore(program: string, text: string): string {
  return `${program} <<'END'\n${text.trim()}\nEND`;
}

/** The filter table of iptables with a forward policy of drop: these rules come before the one that admits the control connection. */
export function iptablesFilter(...rules: string[]): string {
  const all = [...rules, '-A FORWARD -i lan -p tcp -m tcp --dport 21 -j ACCEPT'];
  return `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n${all.join('\n')}\nCOMMIT\n`;
}

/** A forward chain of nft with the policy drop and these rules. */
export function forward(...rules: string[]): string {
  return `table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ${rules.join('\n    ')}
  }
}
`;
}

export const CONTROL = 'iifname "lan" tcp dport 21 accept';
