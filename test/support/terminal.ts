import { spawn } from 'node:child_process';

/** The end of a command on a terminal: its exit status, and what the terminal showed, without colours. */
export interface Shown {
  readonly code: number | null;
  readonly lines: readonly string[];
}

/** Runs a command on a pseudo-terminal (`script` of bsdutils) of a number of columns. Errors and output are shown together. */
export async function onTerminal(columns: number, argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Shown> {
  const command = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const script = ['-qec', `stty cols ${columns} -opost; exec ${command}`, '/dev/null'];
  const child = spawn('script', script, { env: { ...env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, lines: text.split(/\r*\n/) };
}
