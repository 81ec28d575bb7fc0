// Keeps one control connection open. Tries a passive transfer at each signal, and prints the result.
import { createInterface } from 'node:readline';
import { finish, finishWithin, parameters, print, tryConnect } from './lib.mjs';

const { server, passive } = parameters;
finishWithin(60_000, { error: 'not told to end' });
const control = await tryConnect(server, 21);
if (!control) finish({ error: 'no control connection' });
const replies = createInterface({ input: control })[Symbol.asyncIterator]();

async function reply(code) {
  for (;;) {
    const { value, done } = await replies.next();
    if (done) finish({ error: 'the control connection ended' });
    if (value.startsWith(`${code} `)) return value;
    if (/^[45]\d\d /.test(value)) finish({ error: value });
  }
}

async function say(command, code) {
  control.write(`${command}\r\n`);
  return reply(code);
}

async function transfer() {
  const answer = passive === 'EPSV' ? await say('EPSV', 229) : await say('PASV', 227);
  const numbers = answer.match(/\(([^)]*)\)/)[1].split(/[,|]/);
  const port = passive === 'EPSV' ? Number(numbers[3]) : Number(numbers[4]) * 256 + Number(numbers[5]);
  const data = await tryConnect(server, port, 1500);
  if (!data) return 'no data connection';
  let text = '';
  data.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  const ended = new Promise((resolve) => data.on('end', resolve));
  await say('RETR file.txt', 150);
  await ended;
  await reply(226);
  return text;
}

await reply(220);
await say('USER anonymous', 230);
process.on('SIGUSR2', async () => print(await transfer()));
process.on('SIGTERM', () => finish('bye'));
print('ready');
