import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { agentPermissions } from '../../src/bus/permissions.ts';
import { loadConfig } from '../../src/config/config.ts';
import { BUNDLE, FLEET, type Fleet } from '../../src/contract/fleet.ts';
import { newSecret } from '../../src/fleet/broker-users.ts';
import { brokerDefinitions, extended, userOf, type Wishes } from '../../src/fleet/fleet.ts';
import { brokerFiles, bundleOf } from '../../src/fleet/machine-files.ts';

const NOTHING: Wishes = { brokers: [], servers: [], agents: [], vhost: null, databaseUrl: null };
const WISHES: Wishes = {
  brokers: ['mq-1', '2001:db8::5'],
  servers: ['s-1'],
  agents: ['h-1'],
  vhost: null,
  databaseUrl: 'postgresql://p:"x"@db/p',
};
const CERTIFICATES = { ca: 'CA\n', cert: 'CERT\n', key: 'KEY\n' };

describe('a fleet', () => {
  it('is the same after a repetition, and keeps its secrets when it grows', () => {
    const fleet = extended(null, WISHES);
    expect(extended(fleet, WISHES)).toEqual(fleet);
    expect(extended(fleet, NOTHING)).toEqual(fleet);
    expect(FLEET.read(JSON.parse(JSON.stringify(FLEET.write(fleet))))).toEqual(fleet);
    const larger = extended(fleet, { ...NOTHING, agents: ['h-2', 'h-1'] });
    expect(larger).toMatchObject({ agents: ['h-1', 'h-2'], adminToken: fleet.adminToken });
    expect(larger.users.slice(0, 2)).toEqual(fleet.users);
    expect(larger.users.map(({ name }) => name)).toEqual(['pinhole-server', 'pinhole-agent-h-1', 'pinhole-agent-h-2']);
    expect(new Set(larger.users.map(({ password }) => password)).size).toBe(3);
  });

  it.each([
    [{ ...WISHES, agents: ['s-1'] }, 's-1 is a server already'],
    [{ ...WISHES, brokers: [] }, '--brokers'],
    [{ ...WISHES, servers: [] }, '--servers'],
    [{ ...WISHES, databaseUrl: null }, 'PINHOLE_DATABASE_URL'],
  ])('is refused without a part: %#', (wishes, message) => {
    expect(() => extended(null, wishes)).toThrow(message);
  });

  it('keeps its virtual host', () => {
    const fleet = extended(null, { ...WISHES, vhost: 'own' });
    expect(fleet.vhost).toBe('own');
    expect(() => extended(fleet, { ...NOTHING, vhost: 'other' })).toThrow('cannot be changed');
  });
});

describe('what RabbitMQ gets', () => {
  it('is a virtual host, and users who all have permissions; no password', () => {
    const fleet = extended(null, WISHES);
    const made = brokerDefinitions(fleet);
    expect(made.vhosts).toEqual([{ name: 'pinhole' }]);
    const names = ['pinhole-server', 'pinhole-agent-h-1'];
    expect(made.users.map(({ name }) => name)).toEqual(names);
    expect(made.permissions.map(({ user, vhost }) => [user, vhost])).toEqual(names.map((name) => [name, 'pinhole']));
    expect(made.topic_permissions.map(({ user }) => user)).toEqual(names);
    expect(made.permissions[1]?.configure).toBe(agentPermissions('h-1', 'pinhole').configure);
    for (const { password } of fleet.users) expect(JSON.stringify(made)).not.toContain(password);
  });

  it('has RabbitMQ’s hash of the password', () => {
    const { password, passwordHash } = newSecret();
    const bytes = Buffer.from(passwordHash, 'base64');
    const digest = createHash('sha256').update(bytes.subarray(0, 4)).update(password).digest();
    expect(bytes.subarray(4).equals(digest)).toBe(true);
  });

  it('and its TLS', () => {
    const files = brokerFiles(CERTIFICATES);
    expect(files['conf.d/50-pinhole.conf']).toContain('ssl_options.certfile = /etc/rabbitmq/pinhole-cert.pem');
    expect(files['pinhole-key.pem']).toBe('KEY\n');
  });
});

describe('what a machine gets', () => {
  /** Reads the configuration of a bundle as a process does. */
  function configured(fleet: Fleet, machine: string) {
    const folder = mkdtempSync(join(tmpdir(), 'phfi-'));
    try {
      const bundle = bundleOf(fleet, machine, CERTIFICATES);
      expect(BUNDLE.read(JSON.parse(JSON.stringify(BUNDLE.write(bundle))))).toEqual(bundle);
      const file = join(folder, 'pinhole.yaml');
      writeFileSync(file, bundle.files['pinhole.yaml'] as string);
      return { bundle, folder, config: loadConfig({ config: file }, {}) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it('is a configuration with which a server finds everything', () => {
    const fleet = extended(null, WISHES);
    const { bundle, folder, config } = configured(fleet, 's-1');
    expect(bundle).toMatchObject({ role: 'server', files: { 'admin-token': `${fleet.adminToken}\n`, 'key.pem': 'KEY\n' } });
    expect(config.listen).toEqual({ host: '0.0.0.0', port: 9797 });
    expect(config.server.database.url).toBe('postgresql://p:"x"@db/p');
    expect(config.server.tls).toMatchObject({ certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') });
    expect(config.bus).toMatchObject({
      hosts: ['mq-1:5671', '[2001:db8::5]:5671'],
      vhost: 'pinhole',
      username: 'pinhole-server',
      password: userOf(fleet, 's-1').password,
      tls: { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') },
    });
  });

  it('is a configuration of its own for an agent, without the database and the token', () => {
    const fleet = extended(null, WISHES);
    const { bundle, config } = configured(fleet, 'h-1');
    expect(config).toMatchObject({ host: 'h-1', bus: { username: 'pinhole-agent-h-1', password: userOf(fleet, 'h-1').password } });
    expect(config.server.database.url).toBeNull();
    expect(JSON.stringify(bundle)).not.toContain(fleet.adminToken);
    expect(JSON.stringify(bundle)).not.toContain(userOf(fleet, 's-1').password);
  });
});
