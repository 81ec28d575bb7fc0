/**
 * One end of a probe, as a process in a namespace. No daemon uses it.
 *   probe-end reflector OPTIONS   prints a line once it listens, and ends when standard input does
 *   probe-end client OPTIONS      takes a list of options, tries all at once, and prints a list of what it found
 */
import { errorToData } from '../model/errors.ts';
import { silentLogger } from '../ports/logger.ts';
import { systemPorts } from '../ports/ports.ts';
import { type ProbeOptions, probePath } from '../probe/client.ts';
import { Reflector, type ReflectorOptions } from '../probe/reflector.ts';

const [role = '', options = '{}'] = process.argv.slice(2);
const ports = systemPorts(silentLogger);

async function reflect(): Promise<void> {
  const reflector = new Reflector(JSON.parse(options) as ReflectorOptions, ports);
  await reflector.start();
  process.stdout.write('listening\n');
  process.stdin.resume().on('end', () => reflector.close());
}

async function ask(): Promise<void> {
  const all = JSON.parse(options) as ProbeOptions[];
  process.stdout.write(JSON.stringify(await Promise.all(all.map((one) => probePath(one, ports)))));
}

try {
  await (role === 'reflector' ? reflect() : ask());
} catch (error) {
  process.stderr.write(errorToData(error).message);
  process.exitCode = 1;
}
