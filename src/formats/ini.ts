import { InvalidInput } from '../model/errors.ts';

/** The value of an option. */
export interface IniOption {
  /** Without quotes around it; continuation lines are joined by newlines. */
  readonly value: string;
  /** Number of its first line, counted from 1. */
  readonly line: number;
}

/** Options by section and name. */
export type IniFile = Map<string, Map<string, IniOption>>;

/**
 * Parses an INI file in oslo.config's dialect (oslo_config/iniparser.py): `key = value` or `key: value`, an indented line continues
 * the value before it, `#` and `;` begin comments. If an option occurs twice in a section, the last value counts.
 * @param file its name, for messages
 * @throws InvalidInput that names file and line
 */
export function parseIni(text: string, file: string): IniFile {
  const sections: IniFile = new Map();
  let current: Map<string, IniOption> | null = null;
  let key: string | null = null;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fail = (problem: string) => new InvalidInput('ini', `${file}: line ${index + 1}: ${problem}.`);
    if (/^\s*$/.test(line)) key = null;
    else if (/^[#;]/.test(line)) continue;
    else if (/^\s/.test(line)) {
      const before = key === null ? undefined : current?.get(key);
      if (!current || key === null || !before) throw fail('an indented line continues no option');
      current.set(key, { ...before, value: `${before.value}\n${line.trim()}` });
    } else if (line.startsWith('[')) {
      const name = /^\[([^\]]+)\]/.exec(line)?.[1];
      if (name === undefined) throw fail("a section without a ']'");
      current = sections.get(name) ?? new Map();
      sections.set(name, current);
      key = null;
    } else {
      const at = line.search(/[:=]/);
      const name = line.slice(0, at).trimEnd();
      if (at < 1) throw fail('neither an option, a section nor a comment');
      if (!current) throw fail(`option '${name}' stands before any section`);
      key = name;
      current.set(key, { value: unquote(line.slice(at + 1).trim()), line: index + 1 });
    }
  }
  return sections;
}

function unquote(value: string): string {
  return /^(["']).*\1$/.test(value) && value.length > 1 ? value.slice(1, -1) : value;
}
