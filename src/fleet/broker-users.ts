import { createHash, randomBytes } from 'node:crypto';
import type { Permissions } from '../bus/permissions.ts';

/** A password of a user of RabbitMQ, and what RabbitMQ stores of it. */
export interface Secret {
  readonly password: string;
  readonly passwordHash: string;
}

/** A user of the bus and what the user may do. */
export interface BrokerUser extends Permissions {
  readonly name: string;
  readonly passwordHash: string;
}

/**
 * Makes a password up. Hexadecimal digits need no quotes anywhere. The hash is `rabbit_password_hashing_sha256`: a salt of four bytes,
 * and SHA-256 of salt and password.
 */
export function newSecret(): Secret {
  const password = randomBytes(24).toString('hex');
  const salt = randomBytes(4);
  const digest = createHash('sha256').update(salt).update(password).digest();
  return { password, passwordHash: Buffer.concat([salt, digest]).toString('base64') };
}

/**
 * Returns a virtual host with its users and their permissions as one document for `rabbitmqctl import_definitions`, which makes or
 * corrects all of it: there are no users without permissions, and a repetition changes nothing.
 */
export function definitions({ vhost, exchange }: { vhost: string; exchange: string }, users: readonly BrokerUser[]) {
  return {
    vhosts: [{ name: vhost }],
    users: users.map(({ name, passwordHash }) => ({
      name,
      password_hash: passwordHash,
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: '',
    })),
    permissions: users.map(({ name, configure, write, read }) => ({ user: name, vhost, configure, write, read })),
    topic_permissions: users.map(({ name, topicWrite, topicRead }) => ({
      user: name,
      vhost,
      exchange,
      write: topicWrite,
      read: topicRead,
    })),
  };
}
