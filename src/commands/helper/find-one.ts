import type { Answer } from '../../client/answer.ts';
import type { Client } from '../../client/client.ts';
import { type Helper, helpersOf } from '../../client/resources.ts';
import type { Router } from '../../contract/router.ts';
import { PinholeError } from '../../model/errors.ts';
import { didYouMean } from '../../model/nearest.ts';

/**
 * Finds a helper of a router by its id, or by its name if the router has one such helper: `ftp`, `sip/udp`, `ftp/tcp/2121`.
 * @throws PinholeError `helper-not-found`, or `invalid-input` if several match
 */
export async function findOne(client: Client, router: Router, text: string): Promise<Answer<Helper>> {
  const helpers = await helpersOf(client, router.id);
  const [name, protocol, port] = text.split('/');
  const matches = helpers.filter(
    ({ value: helper }) =>
      helper.id === text ||
      (helper.helper === name &&
        (protocol === undefined || helper.protocol === protocol) &&
        (port === undefined || helper.port === Number(port))),
  );
  if (matches.length > 1)
    throw new PinholeError(
      'invalid-input',
      `router ${router.name} has ${matches.length} helpers '${text}'; use an id: ${matches.map(({ value }) => value.id).join(', ')}`,
    );
  if (!matches[0]) {
    const question = didYouMean(
      text,
      helpers.map(({ value }) => value.helper),
    );
    throw new PinholeError('helper-not-found', `Conntrack Helper ${text} could not be found.${question}`);
  }
  return matches[0];
}
