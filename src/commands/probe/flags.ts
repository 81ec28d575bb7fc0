import { PORT } from '../../contract/primitives.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { PortRange } from '../../probe/data-port.ts';

/** Ports of data connections, unless `--data-ports` says others. */
export const DATA_PORTS = '40000-60000';
/** Fewer ports could not serve a few clients at one time. */
const MIN_PORTS = 100;

/** Reads a port. @param flag for the message, with its dashes. @throws InvalidInput */
export function portOf(text: string, flag: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < PORT.min || port > PORT.max)
    throw new InvalidInput(flag, `${flag}: expected a port from ${PORT.min} to ${PORT.max}, not '${text}'`);
  return port;
}

/** Reads ports with commas between them; `off` is none. @throws InvalidInput */
export function portsOf(text: string, flag: string): number[] {
  return text === 'off' ? [] : text.split(',').map((one) => portOf(one, flag));
}

/** Reads `LOW-HIGH`. @throws InvalidInput */
export function rangeOf(text: string, flag: string): PortRange {
  const [low = '', high = '', ...rest] = text.split('-');
  const range = { low: portOf(low, flag), high: portOf(high, flag) };
  if (rest.length > 0 || range.low < 1024 || range.high - range.low < MIN_PORTS)
    throw new InvalidInput(flag, `${flag}: expected at least ${MIN_PORTS} ports from 1024 up, like ${DATA_PORTS}`);
  return range;
}
