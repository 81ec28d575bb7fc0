import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { KeystoneOptions, KeystoneTransport } from './keystone.ts';

const MAX_ANSWER = 1024 * 1024;
const MAX_SOCKETS = 16;

/**
 * Returns a transport over HTTP(S) with kept connections. An exchange ends with an error after `timeoutSeconds`, or with an answer
 * of more than 1 MiB. `ca` (PEM) is trusted beside the well-known authorities.
 */
export function keystoneHttp({
  authUrl,
  timeoutSeconds,
  ca,
}: Pick<KeystoneOptions, 'authUrl' | 'timeoutSeconds' | 'ca'>): KeystoneTransport {
  const base = new URL(authUrl.endsWith('/') ? authUrl : `${authUrl}/`);
  const isTls = base.protocol === 'https:';
  const kept = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const agent = isTls ? new HttpsAgent({ ...kept, ...(ca ? { ca: [...rootCertificates, ca] } : {}) }) : new HttpAgent(kept);
  return ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const url = new URL(path.slice(1), base);
      const request = (isTls ? httpsRequest : httpRequest)(
        url,
        { method, headers: { ...headers, accept: 'application/json' }, agent, signal: AbortSignal.timeout(timeoutSeconds * 1000) },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_ANSWER) request.destroy(new Error('Keystone answered with too much'));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
}
