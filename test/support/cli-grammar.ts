import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CLI } from './cli-path.ts';

const run = promisify(execFile);

/** What `--help` says of one command. */
interface Command {
  readonly usage: string;
  readonly subcommands: ReadonlySet<string>;
  /** Options by their names, long and short; whether they take a value. */
  readonly options: ReadonlyMap<string, boolean>;
  readonly required: number;
  readonly most: number;
}

/** The command line as its own help describes it: says what is wrong with a call, without making it. */
export class CliGrammar {
  readonly #commands = new Map<string, Promise<Command>>();

  /** @param argv words after `pinhole` @returns what is wrong, or null */
  async problemOf(argv: readonly string[]): Promise<string | null> {
    const path: string[] = [];
    let command = await this.#command(path);
    for (const word of argv) {
      if (!command.subcommands.has(word)) break;
      path.push(word);
      command = await this.#command(path);
    }
    if (command.subcommands.size > 0 && !argv.some((word) => ['--help', '--version'].includes(word)))
      return `'pinhole ${[...path, argv[path.length] ?? ''].join(' ').trim()}' is not a command`;
    return problemOfArguments(command, argv.slice(path.length));
  }

  #command(path: readonly string[]): Promise<Command> {
    const key = path.join(' ');
    const known = this.#commands.get(key) ?? run(process.execPath, [CLI, ...path, '--help']).then(({ stdout }) => parseHelp(stdout));
    this.#commands.set(key, known);
    return known;
  }
}

function problemOfArguments(command: Command, words: readonly string[]): string | null {
  let positional = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const [name = '', value] = word.split(/=(.*)/s, 2);
    if (!word.startsWith('-') || word === '-') {
      positional++;
      continue;
    }
    const takesValue = command.options.get(name);
    if (takesValue === undefined) return `${name} is not an option of ${command.usage}`;
    if (takesValue && value === undefined && words[++at] === undefined) return `${name} needs a value`;
  }
  if (positional < command.required) return `an argument is missing: ${command.usage}`;
  return positional > command.most ? `there are too many arguments: ${command.usage}` : null;
}

/** Reads commander's help: a usage line, then sections of names and descriptions. */
function parseHelp(help: string): Command {
  const [, usage = ''] = /^Usage: (.+)$/m.exec(help) ?? [];
  const optional = usage.match(/\[(?!options\]|command\])[^\]]+\]/g) ?? [];
  const required = usage.match(/<[^>]+>/g)?.length ?? 0;
  const options = new Map<string, boolean>();
  for (const [, names = '', value] of section(help, 'Options').matchAll(/^ {2}((?:-\w, )?--?[\w-]+)( <[^>]+>)?/gm))
    for (const name of names.split(', ')) options.set(name, value !== undefined);
  const names = [...section(help, 'Commands').matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = '']) => name);
  const most = optional.some((argument) => argument.includes('...')) ? Number.POSITIVE_INFINITY : required + optional.length;
  return { usage, subcommands: new Set(names.filter((name) => name !== 'help')), options, required, most };
}

function section(help: string, title: string): string {
  return help.split(`\n${title}:\n`)[1]?.split('\n\n')[0] ?? '';
}
