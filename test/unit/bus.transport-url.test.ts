import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNeutronConf } from '../../src/config/neutron-conf.ts';
import { parseTransportUrl } from '../../src/config/transport-url.ts';
import { PinholeError } from '../../src/model/errors.ts';

describe('transport URL', () => {
  const parse = (text: string) => parseTransportUrl(text, 'bus.url');

  it.each([
    ['rabbit://guest:guest@127.0.0.1:5682/', { hosts: ['127.0.0.1:5682'], username: 'guest', password: 'guest', vhost: '/', isTls: false }],
    ['rabbit://u:p%40ss@a:1,u:p%40ss@b/', { hosts: ['a:1', 'b:5672'], username: 'u', password: 'p@ss', vhost: '/', isTls: false }],
    ['rabbit://u:p@[::1]:5672/cloud', { hosts: ['[::1]:5672'], username: 'u', password: 'p', vhost: 'cloud', isTls: false }],
    ['rabbit://u:p@mq/%2Fnova?ssl=1', { hosts: ['mq:5671'], username: 'u', password: 'p', vhost: '/nova', isTls: true }],
    ['amqps://u:p@mq', { hosts: ['mq:5671'], username: 'u', password: 'p', vhost: '/', isTls: true }],
    ['amqp://mq', { hosts: ['mq:5672'], username: 'guest', password: 'guest', vhost: '/', isTls: false }],
  ])('%s', (text, wanted) => expect(parse(text)).toEqual(wanted));

  it.each([
    ['', 'it is not a URL'],
    ['fake://', "'fake' is not a transport of RabbitMQ"],
    ['rabbit://', 'a host is missing or malformed'],
    ['rabbit://u:p@a,', 'a host is missing or malformed'],
    ['rabbit://u:p@a:99999/', 'a host is missing or malformed'],
    ['rabbit://u:p@a b/', 'a host is missing or malformed'],
  ])('%s is refused: %s', (text, why) => expect(() => parse(text)).toThrow(`Invalid input for bus.url: ${why}.`));

  it('whatever the text, an address or one clear error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((text) => `rabbit://${text}`),
        ),
        (text) => {
          try {
            expect(parse(text).hosts.length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(PinholeError);
          }
        },
      ),
    );
  });

  it('never tells the password in an error', () => {
    expect(() => parse('rabbit://u:secret@a:99999/')).toThrow(expect.not.stringContaining('secret'));
  });
});

describe('neutron.conf', () => {
  const read = (text: string) => readNeutronConf(text, 'neutron.conf');

  it('says how to reach the broker, what the host is called, and how TLS is done', () => {
    const conf = read(`# a comment
[DEFAULT]
transport_url = rabbit://openstack:\${DEFAULT.secret}@mq1:5672,openstack:$secret@mq2:5672/
secret = a$$b
host = network-1
control_exchange: neutron

[oslo_messaging_rabbit]
ssl = True
ssl_ca_file = "/etc/ssl/ca.pem"
kombu_ssl_certfile=/etc/ssl/cert.pem
heartbeat_timeout_threshold = 30
; another comment
[database]
connection = mysql+pymysql://neutron:x@db/neutron
`);
    expect(conf).toEqual({
      transportUrl: 'rabbit://openstack:a$b@mq1:5672,openstack:a$b@mq2:5672/',
      host: 'network-1',
      controlExchange: 'neutron',
      ssl: true,
      sslCaFile: '/etc/ssl/ca.pem',
      sslCertFile: '/etc/ssl/cert.pem',
      sslKeyFile: null,
      heartbeatSeconds: 30,
    });
  });

  it('says nothing where it says nothing', () => {
    expect(read('')).toEqual({
      transportUrl: null,
      host: null,
      controlExchange: null,
      ssl: false,
      sslCaFile: null,
      sslCertFile: null,
      sslKeyFile: null,
      heartbeatSeconds: null,
    });
  });

  it('goes on over indented lines, as oslo.config does', () => {
    expect(read('[DEFAULT]\ntransport_url =\n  rabbit://a/\n').transportUrl?.trim()).toBe('rabbit://a/');
  });

  it.each([
    ['host = a', "neutron.conf: line 1: option 'host' stands before any section."],
    ['[DEFAULT\n', "neutron.conf: line 1: a section without a ']'."],
    ['[DEFAULT]\nhost\n', 'neutron.conf: line 2: neither an option, a section nor a comment.'],
    ['[DEFAULT]\n  host = a\n', 'neutron.conf: line 2: an indented line continues no option.'],
    ['[DEFAULT]\nhost = $host\n', 'refers to itself'],
    ['[oslo_messaging_rabbit]\nheartbeat_timeout_threshold = soon\n', 'heartbeat_timeout_threshold is a number of seconds'],
  ])('%j is refused, naming the line', (text, message) => expect(() => read(text)).toThrow(message));

  it('whatever the text, options or one clear error', () => {
    const line = fc.oneof(fc.constantFrom('[DEFAULT]', '[a', ' x', 'a = b', 'host = $host', `host: ${'$'}{a.b}`, '#', ''), fc.string());
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        try {
          read(lines.join('\n'));
        } catch (error) {
          expect(error).toBeInstanceOf(PinholeError);
        }
      }),
    );
  });
});
