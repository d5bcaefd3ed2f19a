/**
 * A small client for RESP2 servers (this sample's, or Redis), for code that runs in a reactor.
 *
 *     const client = await RespClient.connect(reactor.io, { port: 6380 });
 *     await client.command('SET', 'greeting', 'hello');
 *     // Both in one round trip.
 *     const [a, b] = await Promise.all([client.command('GET', 'x'), client.command('INCR', 'n')]);
 *     // From now on subscribe, unsubscribe, PING and QUIT only.
 *     await client.subscribe('news', (message) => console.log(message));
 *
 * Commands are sent as they are called, without waiting for the replies to those before; the connection sends what one
 * turn has written in one go. Replies come in order, so a queue says whose they are, and nothing may ever disturb that
 * order: an argument that cannot be encoded is refused before anything is queued, commands that are not answered
 * exactly once are refused by name, a handler that throws costs its own message alone, and where a reply does not come
 * in time the connection is closed, since what came later could not be told from it. No reconnecting: a client whose
 * connection is gone says so, and whoever has it knows better than this file what may be asked twice.
 */
import { BACK_PRESSURED, CLOSED, OK, type Connection, type Reactor } from 'percore';
import { encode, isAnsweredOnce, type Argument } from './client-arguments.js';
import { checkedLimits, type RespClientOptions } from './client-options.js';
import { NO_REPLY, ProtocolError, ReplyParser, RespError, type Reply } from './reply-parser.js';
import { ReplyWriter } from './reply-writer.js';
import { WaitQueue } from './wait-queue.js';

export { RespError, type Argument, type Reply, type RespClientOptions };
/** Called with each message of a channel. */
export type MessageHandler = (message: string, channel: string) => void;

/**
 * The connection is gone, or was never there: what waited is rejected with this. `cause` says why, if something is
 * known.
 */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly code = 'CONNECTION_LOST';
}

interface Waiter {
  /** When it was sent; performance.now(). */
  readonly sinceMs: number;
  readonly name: string;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly bulks: 'text' | 'bytes';
}

export class RespClient {
  /** Replies that are awaited. */
  private readonly waiters = new WaitQueue<Waiter>();
  private readonly handlers = new Map<string, MessageHandler>();
  private readonly parser = new ReplyParser(() => this.waiters.peek()?.bulks ?? 'text');
  private readonly writer = new ReplyWriter(1024);
  private readonly mostWaiting: number;
  private readonly mostUnsentBytes: number;
  private readonly timeoutMs: number;
  private timer: NodeJS.Timeout | undefined;
  /** Channels that the server has confirmed. Only while there are some can a reply be a message. */
  private subscribed = 0;
  /** Commands that the connection has refused for now, in order. */
  private unsent: ReplyWriter | undefined;
  private lost: ConnectionLost | undefined;
  private isClosing = false;
  private closedBy: (() => void)[] = [];

  private constructor(private readonly connection: Connection, options: RespClientOptions) {
    const { mostWaiting, mostUnsentBytes, timeoutMs } = checkedLimits(options);
    this.mostWaiting = mostWaiting;
    this.mostUnsentBytes = mostUnsentBytes;
    this.timeoutMs = timeoutMs;
    connection.onReceive((bytes, offset, length) => this.receive(bytes, offset, length));
    connection.onEnd(() => connection.close());
    connection.onClose((error) => this.noteClosed(error));
  }

  /** Connects and waits for the first answer. Rejects with ConnectionLost when there is no server. */
  static async connect(io: Pick<Reactor['io'], 'connect'>, options: RespClientOptions): Promise<RespClient> {
    const connection = io.connect({
      port: options.port,
      ...(options.host === undefined ? {} : { host: options.host }),
    });
    let client: RespClient;
    try {
      client = new RespClient(connection, options);
    } catch (error) {
      connection.close();
      throw error;
    }
    try {
      await client.command('PING');
    } catch (error) {
      // It answers, but it does not let us in.
      connection.close();
      throw error;
    }
    return client;
  }

  /** Commands sent whose replies have not come. */
  get waiting(): number {
    return this.waiters.length;
  }

  /**
   * Sends a command; resolves with its reply, bulks as utf8 text. Arguments are text, whole numbers or other numbers as
   * JavaScript writes them, bigints and bytes, and are encoded before it returns. Rejects with RespError for an error
   * reply (and with its code BUSY when too much waits already), with ConnectionLost when the connection goes before the
   * reply has come, with TypeError for what cannot be sent. Not for SUBSCRIBE and UNSUBSCRIBE, which have methods of
   * their own, nor for others that are not answered exactly once (MONITOR, RESET, CLIENT REPLY).
   */
  command(...args: readonly [Argument, ...Argument[]]): Promise<Reply> {
    return this.send('text', args);
  }

  /** The same with bulks as bytes, copied. */
  commandBytes(...args: readonly [Argument, ...Argument[]]): Promise<Reply> {
    return this.send('bytes', args);
  }

  /** Calls `handler` with every message of the channel from now on. Resolves when the server has confirmed it. */
  async subscribe(channel: string, handler: MessageHandler): Promise<void> {
    if (typeof handler !== 'function') throw new TypeError(`handler is ${String(handler)}, allowed is a function`);
    const before = this.handlers.get(channel);
    this.handlers.set(channel, handler);
    try {
      await this.enqueue('text', ['SUBSCRIBE', channel]);
    } catch (error) {
      if (this.handlers.get(channel) === handler) {
        if (before === undefined) this.handlers.delete(channel);
        else this.handlers.set(channel, before);
      }
      throw error;
    }
  }

  /** Messages may come until the server has confirmed it, which resolves the promise. */
  async unsubscribe(channel: string): Promise<void> {
    const handler = this.handlers.get(channel);
    await this.enqueue('text', ['UNSUBSCRIBE', channel]);
    // Unless it was subscribed again meanwhile.
    if (this.handlers.get(channel) === handler) this.handlers.delete(channel);
  }

  /** Lets the server answer what was asked, then closes. Resolves when the connection is closed. */
  async close(): Promise<void> {
    if (this.lost !== undefined) return;
    const closed = new Promise<void>((resolve) => this.closedBy.push(resolve));
    if (!this.isClosing) {
      this.isClosing = true;
      await this.enqueue('text', ['QUIT']).catch(() => undefined);
      this.connection.close();
    }
    await closed;
  }

  private send(bulks: 'text' | 'bytes', args: readonly Argument[]): Promise<Reply> {
    if (!isAnsweredOnce(args)) {
      const command = args.slice(0, 2).join(' ');
      const advice = 'subscribe() and unsubscribe() are methods of the client';
      return Promise.reject(new TypeError(`${command} is not answered exactly once in RESP2; ${advice}`));
    }
    return this.enqueue(bulks, args);
  }

  private enqueue(bulks: 'text' | 'bytes', args: readonly Argument[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.lost !== undefined) return reject(this.lost);
      if (this.waiters.length >= this.mostWaiting) {
        return reject(new RespError(`BUSY ${this.mostWaiting} replies are awaited; send more when some have come`));
      }
      const { writer } = this;
      // What throws here (an argument that is none, memory that is short) rejects, and has changed nothing.
      writer.clear();
      writer.array(args.length);
      for (const [i, argument] of args.entries()) {
        const bytes = encode(argument, i);
        writer.bulk(bytes, 0, bytes.length);
      }
      if ((this.unsent?.length ?? 0) + writer.length > this.mostUnsentBytes && this.waiters.length !== 0) {
        return reject(
          new RespError(
            `BUSY more than ${this.mostUnsentBytes} bytes of commands wait to be sent; send more when some have gone`,
          ),
        );
      }
      this.offer(writer.bytes, writer.length);
      this.waiters.push({ resolve, reject, bulks, sinceMs: performance.now(), name: String(args[0]) });
      this.timer ??= setTimeout(this.checkTime, this.timeoutMs).unref();
    });
  }

  /** Looks at the oldest command that waits: one timer serves all. */
  private readonly checkTime = (): void => {
    this.timer = undefined;
    const oldest = this.waiters.peek();
    if (oldest === undefined) return;
    const leftMs = oldest.sinceMs + this.timeoutMs - performance.now();
    if (leftMs > 0) {
      this.timer = setTimeout(this.checkTime, Math.ceil(leftMs)).unref();
      return;
    }
    // A reply that came later would be taken for that of the next command.
    this.lose(new ConnectionLost(`no reply to ${oldest.name} within ${this.timeoutMs} ms`));
  };

  private lose(reason: ConnectionLost): void {
    this.lost ??= reason;
    this.connection.close();
  }

  private offer(bytes: Uint8Array, length: number): void {
    if (this.unsent === undefined) {
      const code = this.connection.offer(bytes, 0, length);
      // CLOSED: onClose rejects all who wait.
      if (code === OK || code === CLOSED) return;
      this.unsent = new ReplyWriter(length);
      void this.connection.room().then(this.offerAgain);
    }
    this.unsent.raw(bytes, 0, length);
  }

  private readonly offerAgain = (): void => {
    const { unsent } = this;
    if (unsent === undefined || this.lost !== undefined) return;
    if (this.connection.offer(unsent.bytes, 0, unsent.length) === BACK_PRESSURED) {
      void this.connection.room().then(this.offerAgain);
    } else this.unsent = undefined;
  };

  private receive(bytes: Uint8Array, offset: number, length: number): void {
    if (this.lost !== undefined) return;
    const thrown: unknown[] = [];
    try {
      this.parser.feed(bytes, offset, length);
      for (let reply = this.parser.next(); reply !== NO_REPLY && this.lost === undefined; reply = this.parser.next()) {
        this.take(reply, thrown);
      }
    } catch (error) {
      // Or memory that is short: whichever, where the next reply begins is not known any more.
      const why =
        error instanceof ProtocolError
          ? `the server does not speak RESP2: ${error.message}`
          : `a reply could not be read: ${(error as Error).message}`;
      this.lose(new ConnectionLost(why, { cause: error }));
    }
    // Only now, when all that came has been handed out: the reactor reports it.
    if (thrown.length !== 0)
      throw thrown.length === 1
        ? thrown[0]
        : new AggregateError(thrown, `${thrown.length} message handlers threw, first ${String(thrown[0])}`);
  }

  private take(reply: Reply, thrown: unknown[]): void {
    // In RESP2 a message looks like an answer. While something is subscribed, as far as the server has said by now, no
    // answer can look like one.
    if (this.subscribed !== 0 && Array.isArray(reply) && reply.length === 3 && textIs(reply[0]!, 'message')) {
      const channel = toText(reply[1]!);
      try {
        this.handlers.get(channel)?.(toText(reply[2]!), channel);
      } catch (error) {
        thrown.push(error);
      }
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter === undefined) throw new ProtocolError('a reply that nobody waits for');
    if (Array.isArray(reply) && /^(un)?subscribe$/i.test(waiter.name)) this.subscribed = Number(reply[2]);
    if (reply instanceof RespError) waiter.reject(reply);
    else waiter.resolve(reply);
  }

  private noteClosed(error: Error | undefined): void {
    this.lost ??= new ConnectionLost(
      error === undefined ? 'the connection is closed' : `the connection is closed: ${error.message}`, { cause: error },
    );
    this.unsent = undefined;
    this.subscribed = 0;
    clearTimeout(this.timer);
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) {
      waiter.reject(this.lost);
    }
    for (const resolve of this.closedBy) resolve();
    this.closedBy = [];
  }
}

const toText = (reply: Reply): string =>
  reply instanceof Uint8Array ? Buffer.from(reply).toString('utf8') : String(reply);
const textIs = (reply: Reply, text: string): boolean =>
  (typeof reply === 'string' || reply instanceof Uint8Array) && toText(reply) === text;
