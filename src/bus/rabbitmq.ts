import { randomBytes, randomUUID } from 'node:crypto';
import { type AsyncMessage, Connection, type Consumer, type ConsumerProps, type Envelope, type Publisher } from 'rabbitmq-client';
import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import { PendingCalls } from '../sockets/pending-calls.ts';
import { versionOf } from '../wire/topics.ts';
import type { Broker } from './broker.ts';
import { type Arguments, type Bus, CALL_TIMEOUT_MS, type Handler } from './interface.ts';
import {
  acceptsVersion,
  decodeOslo,
  encodeOslo,
  errorOfFailure,
  failureOf,
  OSLO_PROPERTIES,
  type OsloReply,
  type OsloRequest,
  SeenIds,
} from './oslo.ts';
import { replyPrefix } from './permissions.ts';

export interface RabbitOptions extends Ports {
  readonly broker: Broker;
  /** The topic exchange of calls and casts: `neutron` in a cloud. */
  readonly exchange: string;
  /** Make the exchange; without, it has to be there, for who may not make any. */
  readonly declares: boolean;
  /** What the broker shows of us. */
  readonly name: string;
  /** Whose name our reply queue has, where permissions go by it. */
  readonly owner?: string;
  /** Sends our user's name along, which the broker checks: receivers can believe it. */
  readonly signs: boolean;
  /** Users of the broker whose messages are taken; null: those of any user. */
  readonly trusted: readonly string[] | null;
}

/** Messages taken in at a time; the others wait at the broker. */
const PREFETCH = 64;
const SEEN_IDS = 1_024;
/** The client's own back-off, with jitter. */
const RETRY_MS = { retryLow: 100, retryHigh: 3_000 } as const;
const ACQUIRE_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** After so long the broker removes a queue of ours without a reader: oslo.messaging's rabbit_transient_queues_ttl. */
const TRANSIENT = { 'x-expires': 1_800_000 } as const;
/** What a host that is away is not told: it pulls when it is back. The oldest messages give way. */
const BOUNDED = { ...TRANSIENT, 'x-max-length': 10_000 } as const;
const MAX_COMPLAINTS = 100;

/**
 * The bus over RabbitMQ, in the words of oslo.messaging 2.0 (oslo_messaging/_drivers/amqpdriver.py): topics are routing keys
 * of one exchange, answers come over a queue of our own, a fanout is an exchange.
 *
 * Every message is acknowledged, whatever becomes of it: one that cannot be read is counted and logged once, and never comes
 * again.
 */
export class RabbitBus implements Bus {
  readonly #options: RabbitOptions;
  readonly #connection: Connection;
  readonly #publisher: Publisher;
  readonly #replyQueue: string;
  readonly #consumers = new Set<Consumer>();
  readonly #ready = new Set<Consumer>();
  readonly #pending: PendingCalls<string>;
  readonly #linkListeners: ((up: boolean) => void)[] = [];
  readonly #complaints = new Set<string>();
  #isUp = false;
  #refused = 0;

  constructor(options: RabbitOptions) {
    this.#options = options;
    this.#pending = new PendingCalls(options.clock);
    const { broker, logger, name, owner } = options;
    this.#replyQueue = owner === undefined ? `reply_${hex()}` : `${replyPrefix(owner)}${hex()}`;
    this.#connection = new Connection({
      hosts: [...broker.hosts],
      username: broker.username,
      password: broker.password,
      vhost: broker.vhost,
      tls: broker.tls ? tlsOptions(broker.tls) : false,
      heartbeat: broker.heartbeatSeconds,
      connectionName: name,
      noDelay: true,
      frameMax: 131_072,
      acquireTimeout: ACQUIRE_TIMEOUT_MS,
      ...RETRY_MS,
    });
    this.#connection.on('error', (error) => {
      logger.warn({ reason: (error as Error).message }, 'the broker cannot be reached; tried again');
      this.#goDown();
    });
    this.#publisher = this.#connection.createPublisher({ confirm: true, exchanges: this.#exchanges() });
    this.#publisher.on('basic.return', ({ messageId, routingKey }) =>
      this.#pending.reject(messageId ?? '', new PinholeError('unreachable', `no process serves ${routingKey}`)),
    );
    const reply = { queue: this.#replyQueue, queueOptions: { queue: this.#replyQueue, arguments: TRANSIENT } };
    this.#consume(reply, (message) => this.#onReply(message));
  }

  get refused(): number {
    return this.#refused;
  }

  async cast(topic: string, method: string, args: Arguments): Promise<void> {
    await this.#publish({ exchange: this.#options.exchange, routingKey: topic }, request(method, args));
  }

  call(topic: string, method: string, args: Arguments, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    const messageId = hex();
    const envelope = { exchange: this.#options.exchange, routingKey: topic, messageId, expiration: String(timeoutMs), mandatory: true };
    const asked = { ...request(method, args), reply: { messageId, queue: this.#replyQueue } };
    return this.#pending.call(messageId, { what: `'${method}' to ${topic}`, timeoutMs }, () => this.#publish(envelope, asked));
  }

  serve(topic: string, handler: Handler, { fanout } = { fanout: false }): void {
    const seen = new SeenIds(SEEN_IDS);
    const queue = fanout ? `${topic}_fanout_${hex()}` : topic;
    const exchange = fanout ? `${topic}_fanout` : this.#options.exchange;
    const props: ConsumerProps = {
      queue,
      queueOptions: { queue, arguments: fanout ? TRANSIENT : BOUNDED },
      exchanges: fanout ? [{ exchange, type: 'fanout', autoDelete: true }] : this.#exchanges(),
      queueBindings: [{ exchange, queue, routingKey: fanout ? '' : topic }],
    };
    this.#consume(props, (message) => this.#onRequest(message, handler, seen));
  }

  onLink(listener: (up: boolean) => void): void {
    this.#linkListeners.push(listener);
    if (this.#isUp) listener(true);
  }

  /** Handlers that are under way are waited for, but not for ever. */
  async close(): Promise<void> {
    this.#failPending();
    const parts = [...this.#consumers, this.#publisher].map((part) => part.close());
    const closed = Promise.allSettled(parts).then(() => this.#connection.close().catch(() => undefined));
    const closing = new AbortController();
    await Promise.race([closed, this.#options.clock.sleep(CLOSE_TIMEOUT_MS, closing.signal)]);
    closing.abort();
    this.#connection.unsafeDestroy();
  }

  #exchanges(): NonNullable<ConsumerProps['exchanges']> {
    const { exchange, declares } = this.#options;
    return [declares ? { exchange, type: 'topic' } : { exchange, passive: true }];
  }

  #consume(props: ConsumerProps, take: (message: AsyncMessage) => Promise<void> | void): void {
    const consumer = this.#connection.createConsumer({ ...props, qos: { prefetchCount: PREFETCH } }, async (message) => {
      try {
        await take(message);
      } catch (error) {
        this.#complain(message, error);
      }
    });
    this.#consumers.add(consumer);
    consumer.on('ready', () => this.#onReady(consumer));
    consumer.on('error', (error) => {
      this.#options.logger.debug({ err: error, queue: props.queue }, 'a queue is not read');
      this.#ready.delete(consumer);
      this.#goDown();
    });
  }

  /** Up means that every queue is bound and read: who pulls after that misses nothing. */
  #onReady(consumer: Consumer): void {
    this.#ready.add(consumer);
    if (this.#ready.size < this.#consumers.size) return;
    this.#isUp = true;
    for (const listener of this.#linkListeners) listener(true);
  }

  #goDown(): void {
    this.#failPending();
    if (!this.#isUp) return;
    this.#isUp = false;
    for (const listener of this.#linkListeners) listener(false);
  }

  #failPending(): void {
    this.#pending.rejectAll(() => new PinholeError('unreachable', 'the broker went away'));
  }

  async #publish(envelope: Envelope, message: OsloRequest | OsloReply): Promise<void> {
    if (!this.#connection.ready) throw new PinholeError('unreachable', 'the broker cannot be reached');
    const { broker, signs } = this.#options;
    try {
      await this.#publisher.send({ ...OSLO_PROPERTIES, ...(signs ? { userId: broker.username } : {}), ...envelope }, encodeOslo(message));
    } catch (error) {
      throw new PinholeError('unreachable', 'the broker did not take a message', { cause: error });
    }
  }

  #onReply(message: AsyncMessage): void {
    const reply = decodeOslo(bodyOf(message), message);
    if (reply.kind !== 'reply' || !reply.ending) return;
    if (reply.failure) this.#pending.reject(reply.messageId, errorOfFailure(reply.failure));
    else this.#pending.resolve(reply.messageId, reply.result);
  }

  async #onRequest(message: AsyncMessage, handler: Handler, seen: SeenIds): Promise<void> {
    const { trusted } = this.#options;
    const user = message.userId ?? null;
    if (trusted && (user === null || !trusted.includes(user)))
      throw new PinholeError('denied', `a message of ${user === null ? 'an unknown user' : `user '${user}'`}, who is not listened to`);
    const asked = decodeOslo(bodyOf(message), message);
    if (asked.kind !== 'request') throw new PinholeError('invalid-message', 'a reply where requests are taken');
    if (!seen.isNew(asked.uniqueId)) return;
    const answer = this.#answer(asked, handler, user);
    if (asked.reply === null) await answer;
    else await this.#reply(asked.reply, answer);
  }

  async #answer({ method, args, version, namespace }: OsloRequest, handler: Handler, user: string | null): Promise<unknown> {
    if (namespace !== null || !acceptsVersion(versionOf(method), version))
      throw new PinholeError('invalid-message', `'${method.slice(0, 64)}' of version ${version} is not known here`);
    return handler(method, args, { user });
  }

  async #reply({ messageId, queue }: { messageId: string; queue: string }, answer: Promise<unknown>): Promise<void> {
    const outcome = await answer.then(
      (result) => ({ result: result ?? null, failure: null }),
      (error) => ({ result: null, failure: failureOf(error) }),
    );
    await this.#publish(
      { exchange: '', routingKey: queue, mandatory: true },
      { kind: 'reply', messageId, uniqueId: hex(), ending: true, ...outcome },
    );
  }

  #complain({ routingKey, exchange }: AsyncMessage, error: unknown): void {
    this.#refused++;
    const reason = `${exchange} ${routingKey}: ${(error as Error).message}`.slice(0, 300);
    if (this.#complaints.has(reason) || this.#complaints.size >= MAX_COMPLAINTS) return;
    this.#complaints.add(reason);
    this.#options.logger.warn({ reason }, 'a message was refused; others like it are only counted');
  }
}

function request(method: string, args: Arguments): OsloRequest {
  const context = { is_admin: true, request_id: `req-${randomUUID()}` };
  return { kind: 'request', method, args, version: versionOf(method), namespace: null, uniqueId: hex(), reply: null, context };
}

/** The client parses JSON by itself where no content encoding was sent. */
function bodyOf({ body }: AsyncMessage): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function tlsOptions({ ca, cert, key }: NonNullable<Broker['tls']>) {
  return { ...(ca === null ? {} : { ca }), ...(cert === null ? {} : { cert }), ...(key === null ? {} : { key }) };
}

function hex(): string {
  return randomBytes(16).toString('hex');
}
