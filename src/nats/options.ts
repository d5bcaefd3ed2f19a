/** Options of a bridge, its publishers and consumers, and what is refused of them. */
import { checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import { checkBandOrClass, checkConcurrency, checkName, type Party } from '../reactor/internal.js';
import { checkBrokerName, checkFilter, checkRanges, checkSubject } from './subjects.js';

/** Options of `openNats`. */
export interface NatsOptions {
  /** Where the broker is, or several of one cluster: 'nats://127.0.0.1:4222'. */
  readonly servers: string | readonly string[];
  /** The name that the broker shows for this connection. Default: 'percore' and the number of the reactor. */
  readonly name?: string;
  /** With `pass`: what the broker knows this program by. */
  readonly user?: string;
  /** The password of `user`. */
  readonly pass?: string;
  /** In place of user and password. */
  readonly token?: string;
  /** How long the first connection may take: 1 to 2^31 - 1 ms, default 5,000. */
  readonly timeoutMs?: number;
  /** Pause between two tries to connect again: 1 to 60,000 ms, default 250. It is tried for ever. */
  readonly reconnectMs?: number;
  /**
   * So often the broker is asked whether it is there: 100 to 2^31 - 1 ms, default 2,000. After two questions without an
   * answer the connection is given up and made anew.
   */
  readonly pingMs?: number;
  /** Further options of the client's own `connect`: `tls`, `authenticator`, `inboxPrefix` and so on. */
  readonly client?: object;
}

/** Options of `createNatsPublisher`. */
export interface NatsPublisherOptions {
  /** Where it publishes; with a key, range and bucket come behind it: 'orders' becomes 'orders.12.200'. */
  readonly subject: string;
  /** Ranges that the buckets are divided into: a power of two from 1 to 1,024, default 64. The same for all. */
  readonly ranges?: number;
  /** Messages that the broker has not confirmed: 1 to 2^20, default 1,024. Beyond it `publish` is refused. */
  readonly mostPending?: number;
  /** Their bytes: 1 to 2^31 - 1, default 16 MiB. */
  readonly mostPendingBytes?: number;
  /** A message that is not confirmed for so long is sent again: 10 to 2^31 - 1 ms, default 5,000. */
  readonly confirmMs?: number;
  /**
   * Of each subject one message is under way at a time, so that none overtakes one that the broker has refused. Default
   * true. False: of one subject too as many as fit `mostPending`, faster where there are few subjects.
   */
  readonly inOrder?: boolean;
  /**
   * Asked for each message: headers that it gets, such as the context of a trace (`propagation.inject` of
   * OpenTelemetry, or `{ traceparent }`). Those of `publish` itself go before them.
   */
  readonly headers?: () => Readonly<Record<string, string>> | undefined;
}

/** Options of `createNatsConsumer`. */
export interface NatsConsumerOptions {
  /** The stream that is read. */
  readonly stream: string;
  /** The consumer's name at the broker, which remembers what it has acknowledged. Shared by all that use the name. */
  readonly name: string;
  /** Which subjects of the stream: 'orders.>'. Default: all. */
  readonly subject?: string;
  /** Where a consumer begins that the broker does not know yet: 'all' there is (default), or what is 'new'. */
  readonly from?: 'all' | 'new';
  /** Messages that were given out and not acknowledged, over all that use the name: 1 to 65,536, default 256. */
  readonly mostInFlight?: number;
  /** After so long without a sign of life others get its messages: 1,000 to 2^31 - 1 ms, default 30,000. */
  readonly ackWaitMs?: number;
  /** How often a step is run that throws, before its message is given up: 1 to 1,000, default 5. */
  readonly tries?: number;
  /** Asynchronous steps under way at once: 1 to 2^20, default 1, which keeps their order. */
  readonly concurrency?: number;
  /** Band of its steps: 0 low to 7 high. Default 3. */
  readonly priority?: number;
  /** A class of the runtime's, in the place of `priority`. */
  readonly class?: string;
}

export interface LinkSettings {
  readonly servers: readonly string[];
  readonly connect: object;
  readonly timeoutMs: number;
}

const LINK_OPTIONS = ['servers', 'name', 'user', 'pass', 'token', 'timeoutMs', 'reconnectMs', 'pingMs', 'client'];
const PUBLISHER_OPTIONS = ['subject', 'ranges', 'mostPending', 'mostPendingBytes', 'confirmMs', 'inOrder', 'headers'];
const CONSUMER_OPTIONS = [
  'stream', 'name', 'subject', 'from', 'mostInFlight', 'ackWaitMs', 'tries', 'concurrency', 'priority', 'class',
];

export function checkLink(options: NatsOptions, party: Party): LinkSettings {
  if (options === undefined) throw invalidArgument('options', options, "an object with servers: 'nats://…'");
  const given = checkOptions('options', options, LINK_OPTIONS);
  const { user, pass, token, timeoutMs = 5000, reconnectMs = 250, pingMs = 2000, client } = given;
  const servers = (Array.isArray(given.servers) ? given.servers : [given.servers]) as string[];
  const allowed = "an address such as 'nats://127.0.0.1:4222'";
  if (servers.length === 0) throw invalidArgument('servers', given.servers, allowed);
  for (const server of servers) {
    const isAddress = typeof server === 'string' && /^(?:(?:nats|tls):\/\/)?[^\s/]+\/?$/.test(server);
    if (!isAddress) throw invalidArgument('servers', server, allowed);
  }
  for (const [name, text] of Object.entries({ user, pass, token })) if (text !== undefined) checkText(name, text);
  if (client !== undefined && (typeof client !== 'object' || client === null)) {
    throw invalidArgument('client', client, "an object with options of the client's connect");
  }
  const who = party.id === party.shared.reactors ? 'percore main' : `percore ${party.id}`;
  checkInteger('timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  return {
    servers, timeoutMs,
    connect: {
      ...client, servers,
      name: given.name === undefined ? who : checkText('name', given.name),
      ...(user === undefined ? {} : { user }), ...(pass === undefined ? {} : { pass }),
      ...(token === undefined ? {} : { token }),
      timeout: timeoutMs,
      reconnect: true, maxReconnectAttempts: -1, reconnectJitter: 50,
      reconnectTimeWait: checkInteger('reconnectMs', reconnectMs, 1, 60_000),
      pingInterval: checkInteger('pingMs', pingMs, 100, 2 ** 31 - 1), maxPingOut: 2,
    },
  };
}

export interface PublisherSettings extends Required<Omit<NatsPublisherOptions, 'headers'>> {
  readonly headers: NatsPublisherOptions['headers'];
}

export function checkPublisher(options: NatsPublisherOptions): PublisherSettings {
  if (options === undefined) throw invalidArgument('options', options, "an object with subject, such as 'orders'");
  const given = checkOptions('options', options, PUBLISHER_OPTIONS);
  const { inOrder = true } = given;
  if (typeof inOrder !== 'boolean') throw invalidArgument('inOrder', inOrder, 'true or false');
  if (given.headers !== undefined) checkFunction('headers', given.headers);
  return {
    subject: checkSubject('subject', given.subject),
    ranges: checkRanges(given.ranges),
    mostPending: checkInteger('mostPending', given.mostPending ?? 1024, 1, 2 ** 20),
    mostPendingBytes: checkInteger('mostPendingBytes', given.mostPendingBytes ?? 2 ** 24, 1, 2 ** 31 - 1),
    confirmMs: checkInteger('confirmMs', given.confirmMs ?? 5000, 10, 2 ** 31 - 1),
    inOrder, headers: given.headers,
  };
}

export interface ConsumerSettings {
  readonly stream: string;
  readonly name: string;
  readonly subject: string | undefined;
  readonly from: 'all' | 'new';
  readonly mostInFlight: number;
  readonly ackWaitMs: number;
  readonly tries: number;
  readonly concurrency: number;
  readonly band: number;
}

export function checkConsumer(options: NatsConsumerOptions, classes: Party['turn']['classes']): ConsumerSettings {
  if (options === undefined) throw invalidArgument('options', options, 'an object with stream and name');
  const given = checkOptions('options', options, CONSUMER_OPTIONS);
  const { from = 'all' } = given;
  if (from !== 'all' && from !== 'new') throw invalidArgument('from', from, "'all' or 'new'");
  const name = checkBrokerName('name', given.name);
  checkName('name', `nats ${name}`);
  return {
    name, from,
    stream: checkBrokerName('stream', given.stream),
    subject: given.subject === undefined ? undefined : checkFilter('subject', given.subject),
    mostInFlight: checkInteger('mostInFlight', given.mostInFlight ?? 256, 1, 65_536),
    ackWaitMs: checkInteger('ackWaitMs', given.ackWaitMs ?? 30_000, 1000, 2 ** 31 - 1),
    tries: checkInteger('tries', given.tries ?? 5, 1, 1000),
    concurrency: checkConcurrency(given.concurrency ?? 1),
    band: checkBandOrClass(given, classes),
  };
}
