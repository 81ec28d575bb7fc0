// A tenant and its friends at full speed, for some milliseconds: connections that watch, connections that say nothing, guesses of tokens,
// and changes of the tenant's own routers. It says what it does once all of them are at work.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { finishWithin, parameters, print } from './lib.mjs';

const { url, token, routers, watchers, idle, guessers, changers, ms } = parameters;
// The attacker's own work is done on another machine, usually: here it shall not take the processor from those who are measured.
setPriority(19);
/** So soon, about, a connection that the server closed is opened again. */
const REOPEN_MS = 1_000;
finishWithin(ms, {});
const { hostname, port } = new URL(url);
const seen = { watching: 0, idle: 0, guesses: 0, changes: 0 };

/** One request. @returns its status; 0 where no answer came */
function ask({ agent, method = 'GET', path, body, text = token, onLine }) {
  return new Promise((resolve) => {
    const headers = {
      authorization: `Bearer ${text}`,
      ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
    };
    const sent = request({ agent, hostname, port, method, path, headers }, (answer) => {
      if (onLine) answer.once('data', onLine);
      answer.on('end', () => resolve(answer.statusCode)).resume();
    });
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}

async function always(work) {
  for (;;) {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function open() {
  const socket = connect(Number(port), hostname, () => seen.idle++);
  socket.on('error', () => undefined).on('close', () => setTimeout(open, REOPEN_MS * (1 + Math.random())));
}

for (let index = 0; index < idle; index++) open();
for (let index = 0; index < watchers; index++)
  void always(() => ask({ agent: false, path: '/v1/expectations', onLine: () => seen.watching++ }));
for (let index = 0; index < guessers; index++) {
  const agent = new Agent({ keepAlive: true });
  void always(async () => {
    await ask({ agent, path: '/v1/routers', text: `ph_${'0'.repeat(16)}_${'A'.repeat(43)}` });
    seen.guesses++;
  });
}
for (let index = 0; index < changers; index++) {
  const agent = new Agent({ keepAlive: true });
  let version = 0;
  void always(async () => {
    const body = JSON.stringify({ description: `${++version}` });
    const status = await ask({ agent, method: 'PUT', path: `/v1/routers/${routers[index % routers.length]}`, body });
    if (status === 200) seen.changes++;
  });
}
const timer = setInterval(() => {
  if (seen.watching < Math.min(1, watchers) || seen.idle < idle || seen.guesses < 2 * guessers || seen.changes < Math.min(1, changers))
    return;
  clearInterval(timer);
  print(seen);
}, 20);
