/**
 * A small client for RESP2 servers (this sample's, or Redis), for code that runs in a reactor.
 *
 *     const client = await RespClient.connect(reactor.io, { port: 6380 });
 *     await client.command('SET', 'greeting', 'hello');                       // 'OK'
 *     const [a, b] = await Promise.all([client.command('GET', 'x'), client.command('INCR', 'n')]);   // one round trip
 *     await client.subscribe('news', (message) => { ... });                   // from now on: subscribe, unsubscribe, PING, QUIT only
 *
 * Commands are sent as they are called, without waiting for the replies to those before; the connection sends what one turn has written in one
 * go. Replies come in order, so a queue says whose they are. No reconnecting: a client whose connection is gone says so, and whoever has it knows
 * better than this file what may be asked twice.
 */
import { BACK_PRESSURED, CLOSED, OK, type Connection, type Reactor } from 'percore';
import { NO_REPLY, ProtocolError, ReplyParser, RespError, type Reply } from './reply-parser.js';
import { ReplyWriter } from './reply-writer.js';
import { WaitQueue } from './wait-queue.js';

export { RespError, type Reply };
export type Argument = string | number | bigint | Uint8Array;
/** Called with each message of a channel. */
export type MessageHandler = (message: string, channel: string) => void;

export interface RespClientOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Commands that may wait for their replies: 1 to 2^20, default 65,536. Beyond it `command` rejects with BUSY. */
  readonly mostWaiting?: number;
}

/** The connection is gone, or was never there: what waited is rejected with this. `cause` says why, if something is known. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly code = 'CONNECTION_LOST';
}

interface Waiter {
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
  /** Commands that the connection has refused for now, in order. */
  private unsent: ReplyWriter | undefined;
  private lost: ConnectionLost | undefined;
  private isClosing = false;
  private closedBy: (() => void)[] = [];

  private constructor(private readonly connection: Connection, options: RespClientOptions) {
    this.mostWaiting = options.mostWaiting ?? 65_536;
    connection.onReceive((bytes, offset, length) => this.receive(bytes, offset, length));
    connection.onEnd(() => connection.close());
    connection.onClose((error) => this.noteClosed(error));
  }

  /** Connects and waits for the first answer. Rejects with ConnectionLost when nobody listens there. */
  static async connect(io: Pick<Reactor['io'], 'connect'>, options: RespClientOptions): Promise<RespClient> {
    const client = new RespClient(io.connect({ port: options.port, ...(options.host === undefined ? {} : { host: options.host }) }), options);
    await client.command('PING');
    return client;
  }

  /** Commands sent whose replies have not come. */
  get waiting(): number {
    return this.waiters.length;
  }

  /**
   * Sends a command; resolves with its reply, bulks as utf8 text. Rejects with RespError for an error reply (and with its code BUSY when
   * `mostWaiting` replies are awaited), with ConnectionLost when the connection goes before the reply has come. Not for SUBSCRIBE and UNSUBSCRIBE, which are answered once a
   * channel: they have methods of their own.
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
    this.handlers.set(channel, handler);
    await this.command('SUBSCRIBE', channel);
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.command('UNSUBSCRIBE', channel);
    this.handlers.delete(channel);
  }

  /** Lets the server answer what was asked, then closes. Resolves when the connection is closed. */
  async close(): Promise<void> {
    if (this.lost !== undefined) return;
    const closed = new Promise<void>((resolve) => this.closedBy.push(resolve));
    if (!this.isClosing) {
      this.isClosing = true;
      await this.send('text', ['QUIT']).catch(() => undefined);
      this.connection.close();
    }
    await closed;
  }

  private send(bulks: 'text' | 'bytes', args: readonly Argument[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.lost !== undefined) return reject(this.lost);
      if (this.waiters.length >= this.mostWaiting) return reject(new RespError(`BUSY ${this.mostWaiting} replies are awaited; send more when some have come`));
      this.waiters.push({ resolve, reject, bulks });
      const { writer } = this;
      writer.array(args.length);
      for (const argument of args) {
        const bytes = argument instanceof Uint8Array ? argument : Buffer.from(String(argument), 'utf8');
        writer.bulk(bytes, 0, bytes.length);
      }
      this.offer(writer.bytes, writer.length);
      writer.clear();
    });
  }

  private offer(bytes: Uint8Array, length: number): void {
    if (this.unsent === undefined) {
      const code = this.connection.offer(bytes, 0, length);
      // CLOSED: onClose rejects all who wait.
      if (code === OK || code === CLOSED) return;
      this.unsent = new ReplyWriter(length);
      void this.connection.writable().then(this.offerAgain);
    }
    this.unsent.raw(bytes, 0, length);
  }

  private readonly offerAgain = (): void => {
    const { unsent } = this;
    if (unsent === undefined || this.lost !== undefined) return;
    if (this.connection.offer(unsent.bytes, 0, unsent.length) === BACK_PRESSURED) void this.connection.writable().then(this.offerAgain);
    else this.unsent = undefined;
  };

  private receive(bytes: Uint8Array, offset: number, length: number): void {
    try {
      this.parser.feed(bytes, offset, length);
      for (let reply = this.parser.next(); reply !== NO_REPLY; reply = this.parser.next()) this.take(reply);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.lost = new ConnectionLost(`the server does not speak RESP2: ${error.message}`, { cause: error });
      this.connection.close();
    }
  }

  private take(reply: Reply): void {
    // In RESP2 a message looks like an answer; that it is none is known by its first word, while something is subscribed.
    if (this.handlers.size !== 0 && Array.isArray(reply) && reply.length === 3 && textIs(reply[0]!, 'message')) {
      const channel = toText(reply[1]!);
      this.handlers.get(channel)?.(toText(reply[2]!), channel);
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter === undefined) throw new ProtocolError('a reply that nobody waits for');
    if (reply instanceof RespError) waiter.reject(reply);
    else waiter.resolve(reply);
  }

  private noteClosed(error: Error | undefined): void {
    this.lost ??= new ConnectionLost(error === undefined ? 'the connection is closed' : `the connection is closed: ${error.message}`, { cause: error });
    this.unsent = undefined;
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) waiter.reject(this.lost);
    for (const resolve of this.closedBy) resolve();
    this.closedBy = [];
  }
}

const toText = (reply: Reply): string => (reply instanceof Uint8Array ? Buffer.from(reply).toString('utf8') : String(reply));
const textIs = (reply: Reply, text: string): boolean => (typeof reply === 'string' || reply instanceof Uint8Array) && toText(reply) === text;
