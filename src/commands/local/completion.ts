import type { Command } from 'commander';
import { CATALOGUE } from '../../model/catalogue.ts';
import { print } from '../../terminal/table.ts';

/** Prints a bash completion script, made from the definitions of the commands. Use: `source <(pinhole completion)`. */
export function completion(program: Command): void {
  const cases = [...branches(program, '')].map(([path, words]) => `    '${path}') words='${words.join(' ')}' ;;`);
  const helpers = CATALOGUE.map(({ helper }) => helper).join(' ');
  print(`_pinhole() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) [ -z "$path" ] && path=$word || path="$path $word" ;; esac
  done
  case $path in
${cases.join('\n')}
    'helper add '*) words='${helpers} --protocol --port --source --destination --in-interface --ttl' ;;
    *' '*) words='--json --url --token' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _pinhole pinhole
`);
}

function* branches(command: Command, path: string): Generator<[string, string[]]> {
  const visible = command.commands.filter((sub) => !(sub as { _hidden?: boolean })._hidden);
  yield [path, [...visible.map((sub) => sub.name()), ...command.options.map((option) => option.long ?? option.short ?? '')]];
  for (const sub of visible) yield* branches(sub, path === '' ? sub.name() : `${path} ${sub.name()}`);
}
