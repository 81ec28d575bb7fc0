import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
const sockets: Socket[] = [];
const start = async (limits: string) => {
  server = await new TestServer(`limits: { ${limits} }\n`).start();
};
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
});

/** A connection that sends a text and then nothing. @returns what came back so far, and whether it is still open */
function open(text = ''): { answer: string; isOpen: boolean; socket: Socket } {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname, () => socket.write(text));
  const seen = { answer: '', isOpen: true, socket };
  socket.setEncoding('utf8').on('data', (chunk) => {
    seen.answer += chunk;
  });
  socket
    .on('error', () => undefined)
    .on('close', () => {
      seen.isOpen = false;
    });
  sockets.push(socket);
  return seen;
}
const post = (token: string) =>
  `POST /v1/routers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n`;
/** A request on a connection of its own. */
const ask = (token: string, path = '/v1/routers') => server.call('GET', path, undefined, { token, headers: { connection: 'close' } });

describe('connections', () => {
  it.each([
    ['say nothing', ''],
    ['never end their headers', 'GET / HTTP/1.1\r\nhost: x\r\nx-a: '],
    ['ask for what needs no token, and stay', 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['guess, and stay', 'GET /v1/routers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\n\r\n'],
  ])('four times as many connections as there may be, which %s, lock no client out', async (_, text) => {
    await start('connections: 50, failures_per_second: 0');
    const idle = Array.from({ length: 200 }, () => open(text));
    await eventually(() => idle.filter(({ isOpen }) => !isOpen).length >= 150, { what: 'the first ones gave way' });
    for (let index = 0; index < 5; index++) expect((await ask(server.token)).status).toBe(200);
  });

  it('one with a request under way stays, and one on which a client signed in is the last to go', async () => {
    await start('connections: 8');
    const signedIn = open(`GET /v1/routers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n\r\n`);
    const stream = open(`GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n\r\n`);
    await eventually(() => signedIn.answer.includes('200 OK') && stream.answer.includes('retry:'));
    const idle = Array.from({ length: 40 }, () => open());
    await eventually(() => idle.filter(({ isOpen }) => !isOpen).length >= 34, { what: 'the first ones gave way' });
    expect([signedIn.isOpen, stream.isOpen]).toEqual([true, true]);
  });
});

describe('a guesser of tokens', () => {
  it('keeps no valid token out at its address, known before or not, nor after a restart', async () => {
    await start('failures_per_second: 1');
    const fresh = await server.newToken('admin');
    const guess = async () => {
      const statuses: number[] = [];
      for (let index = 0; index < 30; index++) statuses.push((await ask(`ph_${'0'.repeat(16)}_${'A'.repeat(43)}`)).status);
      return statuses.at(-1);
    };
    expect(await guess()).toBe(429);
    expect((await ask(fresh)).status).toBe(200);
    await server.stop();
    await server.start();
    expect(await guess()).toBe(429);
    for (const token of [server.token, fresh]) expect((await ask(token)).status).toBe(200);
  });
});

describe('requests in progress', () => {
  it('one project takes at most its share; another project and the admin are served', async () => {
    await start('concurrency: 20');
    const [greedy, other] = [await server.newToken('member', 'greedy'), await server.newToken('member', 'other')];
    const slow = Array.from({ length: 40 }, () => open(post(greedy)));
    await eventually(() => slow.filter(({ answer }) => answer.includes('503 ')).length === 30, { what: 'the rest is refused' });
    expect((await ask(other)).status).toBe(200);
    expect((await ask(server.token)).status).toBe(200);
    expect(slow.filter(({ answer }) => answer === '').length).toBe(10);
  });

  it('an admin finds a place when projects have taken theirs', async () => {
    await start('concurrency: 20');
    for (const project of ['a', 'b']) {
      const token = await server.newToken('member', project);
      for (let index = 0; index < 10; index++) open(post(token));
    }
    const last = await server.newToken('member', 'c');
    await eventually(async () => (await ask(last)).status === 503, { what: 'members find no place' });
    expect((await ask(server.token)).status).toBe(200);
  });
});
