import { dictionary, list, nullable } from './compounds.ts';
import { notAFolder } from './netns.ts';
import { HOST_NAME } from './primitives.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import type { Of } from './shape.ts';

/** What `pinhole fleet init` keeps and hands to machines. */

export const MAX_MACHINES = 2_000;

/** A host name or address. It names files too. */
export const MACHINE_NAME = text({ ...HOST_NAME.options, canonical: notAFolder('the name of a machine') });
export const VHOST = text({ max: 255, min: 1, pattern: /^\w[\w.-]*$/, what: 'a virtual host (letters, digits and _.-)' });

export const DATABASE_URL = text({
  max: 4_096,
  min: 1,
  pattern: /^postgres(ql)?:\/\//,
  what: 'a URL like postgresql://pinhole@db.example/pinhole',
});
const PASSWORD = text({ max: 128, min: 1, pattern: /^[0-9a-f]+$/, what: 'a password' });
const PASSWORD_HASH = text({ max: 128, min: 1, pattern: /^[A-Za-z0-9+/=]+$/, what: 'a password hash of RabbitMQ' });
const USER = record({
  name: text({ ...HOST_NAME.options, max: 300, what: 'the name of a user of RabbitMQ' }),
  password: PASSWORD,
  passwordHash: PASSWORD_HASH,
});

/** All that was chosen or made up for a fleet: every other file follows from it. It is a secret. */
export const FLEET = record({
  vhost: VHOST,
  brokers: list(MACHINE_NAME, MAX_MACHINES),
  servers: list(MACHINE_NAME, MAX_MACHINES),
  agents: list(MACHINE_NAME, MAX_MACHINES),
  databaseUrl: nullable(DATABASE_URL),
  adminToken: text({ max: 128, pattern: /^ph_[A-Za-z0-9_-]+$/, what: 'a token' }),
  users: list(USER, MAX_MACHINES + 1),
});
export type Fleet = Of<typeof FLEET>;

/** The files that a machine of a fleet gets, in the folder of its configuration; `admin-token` in its data folder. */
export const MACHINE_FILES = ['pinhole.yaml', 'ca.pem', 'cert.pem', 'key.pem', 'admin-token'] as const;
export type MachineFile = (typeof MACHINE_FILES)[number];

const CONTENT = text({ max: 64 * 1_024, multiline: true, what: 'the text of a file' });

/** What `pinhole fleet join` puts on a machine. It is a secret. */
export const BUNDLE = record({
  machine: MACHINE_NAME,
  role: oneOf('server', 'agent'),
  files: dictionary(oneOf(...MACHINE_FILES), CONTENT, MACHINE_FILES.length),
});
export type Bundle = Of<typeof BUNDLE>;
