/**
 * What the sessions of one reactor share: its keys and channels, the way to the other reactors, one writer for replies.
 */
import { hashKey } from 'percore';
import type { Arguments } from './arguments.js';
import { Channels } from './channels.js';
import { PUBLISH, commands } from './command-table.js';
import { Counters, at } from './counters.js';
import { Keyspace, type KeyspaceHost } from './keyspace.js';
import { DEFAULT_LIMITS, type ParserLimits } from './parser.js';
import { SlotPool } from './reply-queue.js';
import { ReplyTooLong, ReplyWriter } from './reply-writer.js';
import type { Execute } from './shards.js';
import type { Receiver } from './reply-queue.js';

/** The other reactors; see shards.ts. A server of one thread has none. */
export interface Peers {
  request(owner: number, command: number, args: Arguments, receiver: Receiver): void;
  isFull(owner: number): boolean;
  isDead(owner: number): boolean;
  whenRoom(owner: number, then: () => void): void;
  flush(): void;
}

export interface ServerOptions {
  readonly id: number;
  /** The reactor that owns a key's hash. */
  readonly ownerOf: (hash: number) => number;
  readonly keyspaceHost: KeyspaceHost;
  readonly counters: Counters;
  readonly limits?: ParserLimits;
  /** What a subscriber may leave unread before it is closed. */
  readonly subscriberBytes?: number;
  /** The longest reply. */
  readonly replyBytes?: number;
  /** What keys and texts of this reactor may take. */
  readonly memoryBytes?: number;
  /** Port, for INFO. */
  readonly port?: () => number;
  /** Calls back once, behind the clients that are waiting now. */
  readonly later: (then: () => void) => void;
}

export const DEFAULT_SUBSCRIBER_BYTES = 8 * 2 ** 20;
export const DEFAULT_REPLY_BYTES = 256 * 2 ** 20;

export class Server {
  readonly keys: Keyspace;
  readonly channels = new Channels();
  /** For the session that works; empty whenever none does. */
  readonly writer: ReplyWriter;
  readonly scratch: ReplyWriter;
  readonly slots = new SlotPool();
  readonly counters: Counters;
  readonly limits: ParserLimits;
  readonly subscriberBytes: number;
  readonly replyBytes: number;
  readonly memoryBytes: number;
  readonly startedMs = Date.now();
  readonly id: number;
  readonly reactors: number;
  readonly later: (then: () => void) => void;
  peers: Peers | undefined;

  constructor(readonly options: ServerOptions) {
    this.id = options.id;
    this.counters = options.counters;
    this.reactors = options.counters.reactors;
    this.memoryBytes = options.memoryBytes ?? Infinity;
    this.keys = new Keyspace(options.keyspaceHost, this.memoryBytes);
    this.limits = options.limits ?? DEFAULT_LIMITS;
    this.later = options.later;
    this.subscriberBytes = options.subscriberBytes ?? DEFAULT_SUBSCRIBER_BYTES;
    this.replyBytes = options.replyBytes ?? DEFAULT_REPLY_BYTES;
    this.writer = new ReplyWriter(undefined, this.replyBytes);
    this.scratch = new ReplyWriter(undefined, this.replyBytes);
  }

  /** The reactor on which the key lives that is argument `index`. */
  ownerOf(args: Arguments, index: number): number {
    return this.reactors === 1
      ? this.id
      : this.options.ownerOf(hashKey(args.bytes, args.starts[index]!, args.ends[index]!));
  }

  /** Runs a command on this reactor's keys or channels, and replies with an error if that throws. */
  readonly execute: Execute = (index, args, reply) => {
    reply.begin();
    try {
      this.run(index, args, reply);
    } catch (error) {
      reply.abort(this.describe(error));
    }
  };

  /**
   * What a client is told of an exception. Short memory and replies that are too long are the client's affair; any
   * other exception is a fault of the server.
   */
  readonly describe = (error: unknown): string => {
    this.counters.row[FAILED]!++;
    if (error instanceof ReplyTooLong) return `ERR ${error.message}`;
    if (error instanceof RangeError) return `OOM ${error.message}`;
    process.stderr.write(`a command failed: ${(error as Error).stack ?? String(error)}\n`);
    return 'ERR internal error';
  };

  private run(index: number, args: Arguments, reply: ReplyWriter): void {
    if (index === PUBLISH.index) {
      reply.integer(this.channels.publish(args.bytes, args.starts[1]!, args.ends[1]!, args.starts[2]!, args.ends[2]!));
    } else commands[index]!.step!(args, reply, this.keys);
  }

  /** Writes down where the others see it what changed in a step; at the end of each. */
  readonly publishFigures = (): void => {
    const { row } = this.counters;
    row[KEYS] = this.keys.size;
    row[EXPIRING] = this.keys.expiring;
    row[EXPIRED] = this.keys.expired;
    row[HITS] = this.keys.hits;
    row[MISSES] = this.keys.misses;
    row[CHANNELS] = this.channels.size;
  };
}

const KEYS = at('keys');
const EXPIRING = at('expiring');
const EXPIRED = at('expired');
const HITS = at('hits');
const MISSES = at('misses');
const CHANNELS = at('channels');
const FAILED = at('failed');
