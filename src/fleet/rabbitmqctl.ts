import { spawn } from 'node:child_process';
import { PinholeError } from '../model/errors.ts';

const MAX_SAID = 2_000;

/**
 * Makes or corrects a virtual host, users and permissions in the RabbitMQ of this machine. They are not in the arguments, which every user
 * can read.
 * @param text a document as `definitions` makes it
 * @throws PinholeError `program-missing`; `unreachable` with what rabbitmqctl said
 */
export function importDefinitions(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('rabbitmqctl', ['--quiet', 'import_definitions'], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said = (said + chunk).slice(0, MAX_SAID);
      });
    child.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? missing() : error));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new PinholeError('unreachable', `rabbitmqctl failed: ${said.trim() || `exit status ${code}`}`));
    });
    // A child that ends early closes the pipe; its exit status says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
  });
}

function missing(): PinholeError {
  return new PinholeError(
    'program-missing',
    'rabbitmqctl is not installed here. Run this command on a machine of RabbitMQ, or use --no-import and pass the file rabbitmq.json to rabbitmqctl import_definitions there.',
  );
}
