// FTP that is in the middle of something. One control connection downloads a large file; the other has announced a data port, which
// nothing has used yet. SIGUSR1: use the announced port for a transfer, and announce the next. Each line is a report.
import { createInterface } from 'node:readline';
import { finish, finishWithin, parameters, print, tryConnect } from './lib.mjs';

const { server, ms } = parameters;
finishWithin(ms, { error: 'not told to end' });

async function login() {
  const control = await tryConnect(server, 21, 5_000);
  if (!control) finish({ error: 'no control connection' });
  const replies = createInterface({ input: control })[Symbol.asyncIterator]();
  const reply = async (code) => {
    for (;;) {
      const { value, done } = await replies.next();
      if (done) finish({ error: 'a control connection ended' });
      if (value.startsWith(`${code} `)) return value;
      if (/^[45]\d\d /.test(value)) finish({ error: value });
    }
  };
  const say = (command, code) => {
    control.write(`${command}\r\n`);
    return reply(code);
  };
  await reply(220);
  await say('USER anonymous', 230);
  return { reply, say, port: control.localPort };
}

async function announced({ say }) {
  const numbers = (await say('PASV', 227)).match(/\(([^)]*)\)/)[1].split(',');
  return Number(numbers[4]) * 256 + Number(numbers[5]);
}

const download = await login();
const data = await tryConnect(server, await announced(download), 5_000);
if (!data) finish({ error: 'no data connection for the download' });
let received = 0;
data.on('data', (chunk) => {
  received += chunk.length;
});
data.on('close', () => finish({ error: 'the download ended' }));
await download.say('RETR large.bin', 150);

const waiting = await login();
let hole = await announced(waiting);

async function useHole() {
  const socket = await tryConnect(server, hole, 3_000);
  let text = null;
  if (socket) {
    text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => socket.on('end', resolve));
    await waiting.say('RETR file.txt', 150);
    await ended;
    await waiting.reply(226);
  }
  hole = await announced(waiting);
  return text;
}

process.on('SIGUSR1', async () => print({ content: await useHole(), received }));
process.on('SIGUSR2', () => print({ received }));
print({ download: download.port, waiting: waiting.port });
