import type { Action, Chain, HelperObject, Match, Rule, Table } from '../model/table.ts';
import { TABLE_NAME } from '../model/table.ts';

/**
 * Returns a table as nft text, as `nft list table inet pinhole` prints it (nft 1.0.6). The text is for people, golden files and
 * `--dry-run`; the kernel process never sees it.
 */
export function tableText(table: Table): string {
  return `table inet ${TABLE_NAME} {\n\tcomment "${table.comment}"\n${contentText(table)}}\n`;
}

/** Returns the text of a table's content without its stamp. */
export function contentText(table: Pick<Table, 'objects' | 'chains'>): string {
  return [...table.objects.map(objectText), ...table.chains.map(chainText)].join('\n');
}

function objectText({ name, type, protocol, family }: HelperObject): string {
  return `\tct helper ${name} {\n\t\ttype "${type}" protocol ${protocol}\n\t\tl3proto ${family}\n\t}\n`;
}

const PRIORITY: Readonly<Record<number, string>> = { [-150]: 'mangle', [-10]: 'filter - 10' };

function chainText({ name, base, rules }: Chain): string {
  const head = base ? `\t\ttype filter hook ${base.hook} priority ${PRIORITY[base.priority] ?? base.priority}; policy accept;\n` : '';
  return `\tchain ${name} {\n${head}${rules.map((rule) => `\t\t${ruleText(rule)}\n`).join('')}\t}\n`;
}

/** Returns one rule as nft text, without indentation. */
export function ruleText(rule: Rule): string {
  return [...rule.matches.map(matchText), actionText(rule.action)].join(' ');
}

function matchText(match: Match): string {
  switch (match.kind) {
    case 'ct-state':
      // pinhole-review: ignore unvalidated-text -- printed for people; no kernel reads it, and the values are of validated types
      return `ct state ${match.state}`;
    case 'l4proto':
      return `meta l4proto ${match.not ? '!= ' : ''}${match.protocol}`;
    case 'address':
      return `${match.cidr.includes(':') ? 'ip6' : 'ip'} ${match.side === 'source' ? 'saddr' : 'daddr'} ${match.cidr}`;
    case 'in-interface':
      return `iifname "${match.name}"`;
    case 'dport':
      return `${match.protocol} dport ${match.port}`;
    case 'dport-below':
      return `${match.protocol} dport < ${match.port}`;
    case 'dport-in':
      return `${match.protocol} dport { ${match.ports.join(', ')} }`;
    case 'rate-over':
      return `limit rate over ${match.perSecond}/second burst ${match.burst} packets`;
  }
}

function actionText(action: Action): string {
  switch (action.kind) {
    case 'set-helper':
      // pinhole-review: ignore unvalidated-text -- printed for people; no kernel reads it, and the values are of validated types
      return `ct helper set "${action.object}"`;
    case 'map-helper':
      // pinhole-review: ignore unvalidated-text -- printed for people; no kernel reads it, and the values are of validated types
      return `ct helper set ${action.protocol} dport map { ${action.entries.map(([port, object]) => `${port} : "${object}"`).join(', ')} }`;
    case 'jump':
      return `jump ${action.chain}`;
    case 'jump-by-helper':
      return `ct helper vmap { ${action.entries.map(([type, chain]) => `"${type}" : jump ${chain}`).join(', ')} }`;
    case 'drop':
      return 'drop';
  }
}
