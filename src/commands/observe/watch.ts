import { parseAnswer, readAnswer } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters } from '../../client/resources.ts';
import { EXPECTATION_EVENT, type ExpectationEvent } from '../../contract/expectation.ts';
import { paint, print } from '../../terminal/table.ts';

/** Prints expectations as the kernel makes and removes them, until interrupted. @throws PinholeError as {@link Client.lines} */
export async function watch(flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const names = new Map<string, string>((await allRouters(client)).map(({ value: { id, name } }) => [id, name || id]));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    for await (const line of client.lines('/v1/expectations', stop.signal)) {
      if (line === '') continue;
      const event = readAnswer(EXPECTATION_EVENT, parseAnswer(line), { path: 'expectation' });
      print(flags.json ? `${line}\n` : `${leftOut(event, names)}${describe(event, names)}\n`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

/** A line about what the stream does not show; empty if it shows all. */
function leftOut({ at, routerId, leftOut: count }: ExpectationEvent, names: ReadonlyMap<string, string>): string {
  if (count === 0) return '';
  return `${at.slice(11, 23)} … ${names.get(routerId) ?? routerId}  ${count} ${count === 1 ? 'change' : 'changes'} left out: too many at once\n`;
}

function describe({ at, routerId, change, expectation }: ExpectationEvent, names: ReadonlyMap<string, string>): string {
  const { helper, protocol, source, destination, port, master } = expectation;
  const sign = change === 'new' ? paint('green', '+') : paint('red', '-');
  const hole = `${protocol} ${source || 'any'} → ${destination}:${port || 'any'}`;
  return `${at.slice(11, 23)} ${sign} ${names.get(routerId) ?? routerId}  ${helper}  ${hole}  (announced on ${master.source} → ${master.destination}:${master.port})`;
}
