/** Options of a bridge, its publishers and consumers, and what is refused of them. */
import { checkBoolean, checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import { checkBandOrClass, checkConcurrency, checkName, type Party } from '../reactor/internal.js';
import { reconnectDelay } from './set-back.js';
import { checkBrokerName, checkFilter, checkRanges, checkSubject } from './subjects.js';

/** Options of `openNats`. */
export interface NatsOptions {
  /**
   * The address of the broker, or those of several brokers of one cluster: 'nats://127.0.0.1:4222'. It may begin with
   * `user:pass@` or `token@`, the same in all of them; then `user`, `pass` and `token` must be left out.
   */
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
  /**
   * How long an order to the broker is tried that it cannot take yet, such as a stream, a consumer or the table of
   * owners while its cluster elects who leads: 1 to 2^31 - 1 ms, default 30,000.
   */
  readonly answerMs?: number;
  /** Pause between two tries to connect again: 1 to 60,000 ms, default 250. It is tried for ever. */
  readonly reconnectMs?: number;
  /**
   * How often the broker is asked whether it is there: 100 to 2^31 - 1 ms, default 2,000. After two questions without
   * an answer the connection is given up and made anew.
   */
  readonly pingMs?: number;
  /** Further options of the client's own `connect`: `tls`, `authenticator`, `inboxPrefix` and so on. */
  readonly client?: object;
}

/** Options of `createNatsPublisher`. */
export interface NatsPublisherOptions {
  /** Where it publishes. With a key, the range and the bucket follow it: 'orders' becomes 'orders.12.200'. */
  readonly subject: string;
  /**
   * How many ranges the buckets are divided into: a power of two from 1 to 1,024, default 64. All must have the same.
   */
  readonly ranges?: number;
  /** Most messages that the broker has not confirmed: 1 to 2^20, default 1,024. Beyond that `publish` refuses. */
  readonly mostPending?: number;
  /** Most bytes of those messages: 1 to 2^31 - 1, default 16 MiB. */
  readonly mostPendingBytes?: number;
  /** A message that is not confirmed within this time is sent again: 10 to 2^31 - 1 ms, default 5,000. */
  readonly confirmMs?: number;
  /**
   * True (the default): one message of each subject is under way at a time, so that none overtakes one that the broker
   * has refused. False: `mostPending` messages of one subject may be under way, which is faster when there are few
   * subjects.
   */
  readonly inOrder?: boolean;
  /**
   * Called for each message; returns headers for it, such as the context of a trace (`propagation.inject` of
   * OpenTelemetry, or `{ traceparent }`). Headers that are passed to `publish` itself win.
   */
  readonly headers?: () => Readonly<Record<string, string>> | undefined;
}

/** Options of `createNatsConsumer`. */
export interface NatsConsumerOptions {
  /** The stream that is read. */
  readonly stream: string;
  /** The consumer's name at the broker, which remembers what was acknowledged. All that use the name share it. */
  readonly name: string;
  /** Which subjects of the stream it reads: 'orders.>'. Default: all. */
  readonly subject?: string;
  /** Where a consumer begins that the broker does not know yet: at 'all' there is (default), or at what is 'new'. */
  readonly from?: 'all' | 'new';
  /** Most messages given out and not acknowledged, over all that use the name: 1 to 65,536, default 256. */
  readonly mostInFlight?: number;
  /** After this long without a sign of life, others get its messages: 1,000 to 2^31 - 1 ms, default 30,000. */
  readonly ackWaitMs?: number;
  /**
   * True: nobody else reads under this name. Then it begins anew whenever it begins to read, after a lost connection
   * and after a death, at the first message that was not acknowledged: nothing comes behind newer messages, and nothing
   * waits for `ackWaitMs`. Two such under one name would run messages twice. Default false.
   */
  readonly isOnlyReader?: boolean;
  /** How often a step is run that throws, before its message is given up: 1 to 1,000, default 5. */
  readonly tries?: number;
  /** Most asynchronous steps under way at once: 1 to 2^20, default 1, which keeps their order. */
  readonly concurrency?: number;
  /** Band of its steps: 0 low to 7 high. Default 3. */
  readonly priority?: number;
  /** A class of the runtime, instead of `priority`. */
  readonly class?: string;
}

export interface LinkSettings {
  readonly servers: readonly string[];
  readonly connect: object;
  readonly answerMs: number;
}

const LINK_OPTIONS = [
  'servers', 'name', 'user', 'pass', 'token', 'timeoutMs', 'answerMs', 'reconnectMs', 'pingMs', 'client',
];
const PUBLISHER_OPTIONS = ['subject', 'ranges', 'mostPending', 'mostPendingBytes', 'confirmMs', 'inOrder', 'headers'];
const CONSUMER_OPTIONS = [
  'stream', 'name', 'subject', 'from', 'mostInFlight', 'ackWaitMs', 'isOnlyReader', 'tries', 'concurrency', 'priority',
  'class',
];

export function checkLink(options: NatsOptions, party: Party): LinkSettings {
  if (options === undefined) throw invalidArgument('options', options, "an object with servers: 'nats://…'");
  const given = checkOptions('options', options, LINK_OPTIONS);
  const { user, pass, token, timeoutMs = 5000, reconnectMs = 250, pingMs = 2000, client } = given;
  const { servers, ...inAddress } = splitAddresses(given.servers);
  for (const [name, text] of Object.entries({ user, pass, token })) {
    if (text === undefined) continue;
    checkText(name, text);
    if (Object.keys(inAddress).length > 0)
      throw invalidArgument(name, '…', 'left out, since the address says who connects');
  }
  if (client !== undefined && (typeof client !== 'object' || client === null)) {
    throw invalidArgument('client', client, "an object with options of the client's connect");
  }
  const who = party.id === party.shared.reactors ? 'percore main' : `percore ${party.id}`;
  checkInteger('timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  checkInteger('reconnectMs', reconnectMs, 1, 60_000);
  return {
    servers, answerMs: checkInteger('answerMs', given.answerMs ?? 30_000, 1, 2 ** 31 - 1),
    connect: {
      reconnectDelayHandler: reconnectDelay(reconnectMs), ...client, servers,
      name: given.name === undefined ? who : checkText('name', given.name),
      ...(user === undefined ? {} : { user }), ...(pass === undefined ? {} : { pass }),
      ...(token === undefined ? {} : { token }), ...inAddress,
      timeout: timeoutMs,
      reconnect: true, maxReconnectAttempts: -1,
      pingInterval: checkInteger('pingMs', pingMs, 100, 2 ** 31 - 1), maxPingOut: 2,
    },
  };
}

/** Scheme, who connects, host and port. */
const ADDRESS = /^((?:(?:nats|tls):\/\/)?)(?:([^\s/@]+)@)?([^\s/@]+\/?)$/;

/**
 * Takes who connects out of the addresses: `user:pass@`, or `token@` alone, percent-encoded where it has signs of an
 * address. What is shown of an address anywhere, in errors too, is without it.
 */
function splitAddresses(given: unknown): { servers: string[]; user?: string; pass?: string; token?: string } {
  const allowed = "an address such as 'nats://127.0.0.1:4222' or 'nats://user:pass@127.0.0.1:4222'";
  const addresses: unknown[] = Array.isArray(given) ? given : [given];
  if (addresses.length === 0) throw invalidArgument('servers', given, allowed);
  const who = new Set<string>();
  const servers = addresses.map((address) => {
    const shown = typeof address === 'string' ? address.replace(/^((?:\w+:\/\/)?).*@/s, '$1…@') : address;
    const parts = typeof address === 'string' ? ADDRESS.exec(address) : null;
    if (parts === null) throw invalidArgument('servers', shown, allowed);
    who.add(parts[2] ?? '');
    return parts[1]! + parts[3]!;
  });
  if (who.size > 1)
    throw invalidArgument('servers', servers, 'addresses of one cluster, all with the same user or all without');
  const [[user, pass]] = [...who].map((text) => text.split(/:(.*)/s)) as [string[]];
  if (user === '') return { servers };
  try {
    const [name, word] = [user!, pass].map((text) => text === undefined ? undefined : decodeURIComponent(text));
    return word === undefined ? { servers, token: name! } : { servers, user: name!, pass: word };
  } catch {
    throw invalidArgument('servers', servers, `${allowed}, percent-encoded`);
  }
}

export interface PublisherSettings extends Required<Omit<NatsPublisherOptions, 'headers'>> {
  readonly headers: NatsPublisherOptions['headers'];
}

export function checkPublisher(options: NatsPublisherOptions): PublisherSettings {
  if (options === undefined) throw invalidArgument('options', options, "an object with subject, such as 'orders'");
  const given = checkOptions('options', options, PUBLISHER_OPTIONS);
  const { inOrder = true } = given;
  checkBoolean('inOrder', inOrder);
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
  readonly isOnlyReader: boolean;
  readonly tries: number;
  readonly concurrency: number;
  readonly band: number;
}

export function checkConsumer(options: NatsConsumerOptions, classes: Party['turn']['classes']): ConsumerSettings {
  if (options === undefined) throw invalidArgument('options', options, 'an object with stream and name');
  const given = checkOptions('options', options, CONSUMER_OPTIONS);
  const { from = 'all', isOnlyReader = false } = given;
  checkBoolean('isOnlyReader', isOnlyReader);
  if (from !== 'all' && from !== 'new') throw invalidArgument('from', from, "'all' or 'new'");
  const name = checkBrokerName('name', given.name);
  checkName('name', `nats ${name}`);
  return {
    name, from, isOnlyReader,
    stream: checkBrokerName('stream', given.stream),
    subject: given.subject === undefined ? undefined : checkFilter('subject', given.subject),
    mostInFlight: checkInteger('mostInFlight', given.mostInFlight ?? 256, 1, 65_536),
    ackWaitMs: checkInteger('ackWaitMs', given.ackWaitMs ?? 30_000, 1000, 2 ** 31 - 1),
    tries: checkInteger('tries', given.tries ?? 5, 1, 1000),
    concurrency: checkConcurrency(given.concurrency ?? 1),
    band: checkBandOrClass(given, classes),
  };
}
