/**
 * One client: bytes in, commands worked, replies out in the order of the commands. Knows its connection as a
 * `Transport` only.
 *
 *     receive -> parser -> command here --------------------> writer -> settle -> offer
 *                       -> command elsewhere -> slot .... reply -> send ---------> offer
 *
 * Four things stop the reading until they are over: the connection takes no more (a reader that is slow), the outbox to
 * another reactor is full, so many commands wait for other reactors that their replies could take too much memory, or
 * replies of this reactor wait behind one from another and take too much already. A client that has had many bytes of
 * replies rests, so that the others come first. What was read by then waits in the parser.
 *
 * An exception costs the command that it comes from, which replies with an error; where the order of replies can no
 * longer be kept, because there is no memory for those that wait, it costs this client its connection. Nothing that
 * several clients share is left half-written.
 */
import type { Arguments } from './arguments.js';
import type { Subscriber } from './channels.js';
import {
  PING, QUIT, Route, SUBSCRIBE, UNSUBSCRIBE, findCommand, hasRightCount, unknownCommand, type Command,
} from './command-table.js';
import { at } from './counters.js';
import { FAILED, NEED_MORE, RequestParser } from './parser.js';
import { OrderedReplies, type RepliesClient } from './ordered-replies.js';
import { runEverywhere, runOnOwners, type Spreading } from './many-reactors.js';
import type { Slot } from './reply-queue.js';
import type { ReplyWriter } from './reply-writer.js';
import type { Server } from './server.js';
import { connectionCommand } from './connection-commands.js';
import type { Transport } from './transport.js';

/** Replies are handed to the connection when this much is written, and at the end of what was read. */
const SETTLE_BYTES = 16_384;
/**
 * After this many bytes of replies the other clients come first. Replies that are not read fill buffers of megabytes:
 * sixty clients that ask for them at once would keep a sixty-first waiting for a third of a second.
 */
const REST_BYTES = 131_072;
const COMMANDS = at('commands');
const BYTES_IN = at('bytesIn');
const PROTOCOL_ERRORS = at('protocolErrors');
const CONNECTIONS = at('connections');
const RECEIVED = at('connectionsReceived');

export class Session implements RepliesClient, Spreading, Subscriber {
  /** Channels this client listens to. */
  readonly channels = new Set<string>();
  /** What the client calls itself; '' nothing. */
  name = '';
  readonly id: number;
  private readonly parser: RequestParser;
  private readonly writer: ReplyWriter;
  private readonly replies: OrderedReplies;
  private readonly row: Float64Array;
  private isOutboxFull = false;
  /** It has had many bytes of replies; others come first. */
  private isResting = false;
  private isPaused = false;
  /** QUIT or a protocol error: nothing more is read, and the connection ends when all replies are out. */
  private isEnding = false;
  /** The client sends no more; what it has asked is answered. */
  private hasPeerEnded = false;
  private isWorking = false;
  private isClosed = false;

  constructor(
    readonly server: Server,
    private readonly transport: Transport,
  ) {
    this.parser = new RequestParser(server.limits);
    this.writer = server.writer;
    this.replies = new OrderedReplies(server, transport, this);
    this.row = server.counters.row;
    this.row[RECEIVED]!++;
    this.row[CONNECTIONS]!++;
    // Of all reactors, no two are alike.
    this.id = this.row[RECEIVED]! * server.reactors + server.id;
  }

  // ---- From the connection ----------------------------------------------------------------------------------------

  receive(bytes: Uint8Array, offset: number, length: number): void {
    if (this.isEnding || this.isClosed) return;
    this.row[BYTES_IN]! += length;
    try {
      this.parser.feed(bytes, offset, length);
      // A subscriber that does not read is blocked by what it is sent; or this was in hand already when reading was
      // paused.
      if (this.isBlocked) this.parser.keep();
    } catch (error) {
      return this.abandon(error);
    }
    if (this.isBlocked) this.pause();
    else this.work();
  }

  /** The client sends no more: what it asked is answered, then the connection ends. */
  noteEnd(): void {
    this.hasPeerEnded = true;
    this.endIfDone();
  }

  /** The connection is closed. */
  noteClosed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const channel of this.channels) this.server.channels.remove(channel, this);
    this.channels.clear();
    this.replies.close();
    this.row[CONNECTIONS]!--;
  }

  // ---- Commands ---------------------------------------------------------------------------------------------------

  private get isBlocked(): boolean {
    return this.isOutboxFull || this.isResting || this.replies.isBlocked;
  }

  /** Works the commands that are there, as far as nothing stops it. */
  private work(): void {
    this.isWorking = true;
    try {
      for (let hasMore = true; hasMore;) {
        hasMore = this.workUntilBlocked();
        this.replies.settle();
        // This may make the room that was missing; then the commands behind go on at once, since nothing else would
        // call for them.
        this.server.peers?.flush();
        if (this.isBlocked || this.isEnding || this.isClosed) hasMore = false;
      }
    } catch (error) {
      this.writer.clear();
      this.abandon(error);
    }
    this.isWorking = false;
    this.server.publishFigures();
    if (this.isBlocked && !this.isEnding) this.pause();
    else this.endIfDone();
  }

  /** True when commands may be left. */
  private workUntilBlocked(): boolean {
    const { parser, writer } = this;
    let left = REST_BYTES;
    for (;;) {
      const outcome = parser.next();
      if (outcome === NEED_MORE) return false;
      if (outcome === FAILED) {
        this.row[PROTOCOL_ERRORS]!++;
        writer.error(`ERR ${parser.error}`);
        this.isEnding = true;
        return false;
      }
      this.run(parser);
      if (writer.length >= SETTLE_BYTES) {
        left -= writer.length;
        this.replies.settle();
        if (left <= 0) this.rest();
      }
      if (this.isEnding || this.isClosed) return false;
      if (this.isBlocked) {
        parser.keep();
        return true;
      }
    }
  }

  private run(args: Arguments): void {
    this.row[COMMANDS]!++;
    const { writer } = this;
    writer.begin();
    try {
      this.dispatch(args);
    } catch (error) {
      // Of this command alone: one that has gone to other reactors has told its slot already.
      writer.abort(this.server.describe(error));
    }
  }

  private dispatch(args: Arguments): void {
    const { writer } = this;
    const command = findCommand(args);
    if (command === undefined) return writer.error(unknownCommand(args));
    if (!hasRightCount(command, args.count)) {
      return writer.error(`ERR wrong number of arguments for '${command.name}' command`);
    }
    if (
      this.channels.size !== 0 &&
      command !== PING &&
      command !== SUBSCRIBE &&
      command !== UNSUBSCRIBE &&
      command !== QUIT
    ) {
      return writer.error(
        `ERR Can't execute '${command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
          'are allowed in this context',
      );
    }
    switch (command.route) {
      case Route.KEY: {
        const owner = this.server.ownerOf(args, 1);
        if (owner === this.server.id) command.step!(args, writer, this.server.keys);
        else this.ask(owner, command, args);
        break;
      }
      case Route.KEYS:
        runOnOwners(this, command, args, writer);
        break;
      case Route.EVERYWHERE:
        runEverywhere(this, command, args, writer);
        break;
      default:
        connectionCommand(this, command, args, writer);
        break;
    }
  }

  /** Has a command worked where its key lives. */
  private ask(owner: number, command: Command, args: Arguments): void {
    const slot = this.openSlot();
    this.server.peers!.request(owner, command.index, args, slot);
    this.mindRoom(owner);
  }

  /** A place in the order of replies for one that comes from elsewhere. */
  openSlot(): Slot {
    return this.replies.openSlot();
  }

  /** A message of a channel. */
  push(bytes: Uint8Array, length: number): void {
    this.replies.push(bytes, length);
  }

  // ---- Stopping and going on --------------------------------------------------------------------------------------

  /** After a request: stops when the outbox there is full. */
  mindRoom(owner: number): void {
    if (this.isOutboxFull || !this.server.peers!.isFull(owner)) return;
    this.isOutboxFull = true;
    this.server.peers!.whenRoom(owner, () => {
      this.isOutboxFull = false;
      this.goOn();
    });
  }

  private pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.transport.pause();
  }

  private rest(): void {
    this.isResting = true;
    this.server.later(this.goOnRested);
  }

  private readonly goOnRested = (): void => {
    this.isResting = false;
    this.goOn();
  };

  /** Something that stopped the work is over; works what waits in the parser, and reads again when nothing stops it. */
  goOn(): void {
    if (this.isBlocked || this.isClosed || this.isWorking || !this.isPaused) return;
    if (!this.isEnding) this.work();
    if (this.isBlocked || this.isClosed) return;
    this.isPaused = false;
    this.transport.resume();
    this.endIfDone();
  }

  endIfDone(): void {
    if (this.isClosed || this.isWorking || !this.replies.isEmpty) return;
    if (this.isEnding || (this.hasPeerEnded && !this.isPaused)) this.transport.end();
  }

  /** For QUIT. */
  quit(): void {
    this.isEnding = true;
  }

  close(): void {
    this.transport.close();
    this.noteClosed();
  }

  /**
   * An exception where replies are put in order: what has been written cannot be kept, and what follows could not be
   * told from it.
   */
  abandon(error: unknown): void {
    this.server.describe(error);
    this.close();
  }
}
