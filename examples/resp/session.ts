/**
 * One client: bytes in, commands worked, replies out in the order of the commands. Knows its connection as a
 * `Transport` only.
 *
 *     receive -> parser -> command here --------------------> writer -> settle -> offer
 *                       -> command elsewhere -> slot .... reply -> send ---------> offer
 *
 * Four things stop the reading until they are over: the connection takes no more (a reader that is slow), the outbox to
 * another reactor is full, so many commands wait for other reactors that their replies could take too much memory, or
 * replies of this reactor wait behind one from another and take too much already. What was read by then waits in the
 * parser.
 *
 * An exception costs the command that it comes from, which replies with an error; where the order of replies can no
 * longer be kept, because there is no memory for those that wait, it costs this client its connection. Nothing that
 * several clients share is left half-written.
 */
import { BACK_PRESSURED, CLOSED } from 'percore';
import { argumentText, type Arguments } from './arguments.js';
import type { Subscriber } from './channels.js';
import {
  PING, QUIT, Route, SUBSCRIBE, UNSUBSCRIBE, findCommand, hasRightCount, type Command,
} from './command-table.js';
import { at } from './counters.js';
import { FAILED, NEED_MORE, RequestParser } from './parser.js';
import { Gather, type Slot, type SlotOwner } from './reply-queue.js';
import { ReplyWriter } from './reply-writer.js';
import type { Server } from './server.js';
import { Subset } from './subset.js';
import { connectionCommand } from './connection-commands.js';
import type { Transport } from './transport.js';

/** Replies are handed to the connection when so much is written, and at the end of what was read. */
const SETTLE_BYTES = 16_384;
/** Commands of one client that wait for other reactors: so many, */
const MOST_WAITING = 256;
/** and fewer when their replies are long, so that these take about so much memory at most. */
const WAITING_BYTES = 2 ** 20;
/** So many at first: how long its replies are is not known yet. */
const FIRST_WAITING = 16;
/** Replies that wait behind one from another reactor, in bytes: beyond this the client's commands wait too. */
const HELD_BYTES = 2 ** 20;

const COMMANDS = at('commands');
const REMOTE = at('remoteCommands');
const BYTES_IN = at('bytesIn');
const PROTOCOL_ERRORS = at('protocolErrors');
const SLOW_SUBSCRIBERS = at('slowSubscribers');
const CONNECTIONS = at('connections');
const RECEIVED = at('connectionsReceived');
const BLOCKED = at('blocked');
const OVERFULL = at('overfull');

export class Session implements SlotOwner, Subscriber {
  /** Channels this client listens to. */
  readonly channels = new Set<string>();
  /** What the client calls itself; '' nothing. */
  name = '';
  readonly id: number;
  private readonly parser: RequestParser;
  private readonly writer: ReplyWriter;
  private readonly row: Float64Array;
  /** Commands that wait for other reactors, the oldest first. */
  private firstSlot: Slot | undefined;
  private lastSlot: Slot | undefined;
  private waiting = 0;
  /** About how long the replies of other reactors have been lately, and how many may be awaited for all that. */
  private replyBytes = 64;
  private mostWaiting = FIRST_WAITING;
  /** Replies that are complete and wait behind one that is not. */
  private heldBytes = 0;
  /** Taken by nobody yet: what `offer` refused, and what came behind it. */
  private unsent: ReplyWriter | undefined;
  private isConnectionFull = false;
  private isOutboxFull = false;
  private isWindowFull = false;
  private isHeldFull = false;
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
    this.row = server.counters.row;
    this.row[RECEIVED]!++;
    this.row[CONNECTIONS]!++;
    // Of all reactors, no two are alike.
    this.id = this.row[RECEIVED]! * server.reactors + server.id;
  }

  // ---- From the connection ------------------------------------------------------------------------------------------

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
    this.unsent = this.firstSlot = this.lastSlot = undefined;
    this.heldBytes = 0;
    this.row[CONNECTIONS]!--;
  }

  // ---- Commands -------------------------------------------------------------------------------------------------------

  private get isBlocked(): boolean {
    return this.isConnectionFull || this.isOutboxFull || this.isWindowFull || this.isHeldFull;
  }

  /** Works the commands that are there, as far as nothing stops it. */
  private work(): void {
    this.isWorking = true;
    try {
      for (let hasMore = true; hasMore;) {
        hasMore = this.workUntilBlocked();
        this.settle();
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
      if (writer.length >= SETTLE_BYTES) this.settle();
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
        `ERR Can't execute '${command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
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
        this.runOnMany(command, args);
        break;
      case Route.EVERYWHERE:
        this.runEverywhere(command, args);
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

  /**
   * Takes a command of many keys apart, a share for each reactor that has some of them. Not atomic: each share is
   * worked on its own.
   */
  private runOnMany(command: Command, args: Arguments): void {
    const { server } = this;
    const shares =
      server.reactors === 1
        ? undefined
        : Subset.split(args, command.keyStep, server.reactors, (index) => server.ownerOf(args, index));
    if (shares === undefined || shares[server.id]?.count === args.count) {
      return command.step!(args, this.writer, server.keys);
    }
    const gather = new Gather(command, this.openSlot(), server.replyBytes, server.describe);
    const parts = shares.map((share) => (share === undefined ? undefined : gather.part(share.places)));
    for (let owner = 0; owner < shares.length; owner++) {
      const share = shares[owner];
      if (share === undefined || owner === server.id) continue;
      server.peers!.request(owner, command.index, share, parts[owner]!);
      this.mindRoom(owner);
    }
    this.takeOwnShare(command, shares[server.id], parts[server.id]);
  }

  private runEverywhere(command: Command, args: Arguments): void {
    const { server } = this;
    if (server.reactors === 1) return server.execute(command.index, args, this.writer);
    const gather = new Gather(command, this.openSlot(), server.replyBytes, server.describe);
    const parts = Array.from({ length: server.reactors }, (_, owner) =>
      owner !== server.id && server.peers!.isDead(owner) ? undefined : gather.part([]),
    );
    for (const [owner, part] of parts.entries()) {
      if (owner === server.id || part === undefined) continue;
      server.peers!.request(owner, command.index, args, part);
      this.mindRoom(owner);
    }
    this.takeOwnShare(command, args, parts[server.id]);
  }

  private takeOwnShare(
    command: Command, share: Arguments | undefined, part: ReturnType<Gather['part']> | undefined,
  ): void {
    if (share === undefined || part === undefined) return;
    const { scratch } = this.server;
    this.server.execute(command.index, share, scratch);
    part.receive(scratch.bytes, 0, scratch.length);
    scratch.clear();
  }

  // ---- Replies --------------------------------------------------------------------------------------------------------

  /** A place in the order of replies for one that comes from elsewhere. */
  private openSlot(): Slot {
    this.settle();
    const slot = this.server.slots.take(this);
    if (this.lastSlot === undefined) this.firstSlot = slot;
    else this.lastSlot.next = slot;
    this.lastSlot = slot;
    this.row[REMOTE]!++;
    if (++this.waiting >= this.window()) this.isWindowFull = true;
    return slot;
  }

  private window(): number {
    return Math.max(1, Math.min(this.mostWaiting, Math.floor(WAITING_BYTES / this.replyBytes)));
  }

  complete(slot: Slot, bytes: Uint8Array, start: number, end: number): void {
    // Closed meanwhile: there is nobody to tell.
    if (this.isClosed) return;
    try {
      this.take(slot, bytes, start, end);
    } catch (error) {
      this.abandon(error);
    }
  }

  private take(slot: Slot, bytes: Uint8Array, start: number, end: number): void {
    this.waiting--;
    if (this.mostWaiting < MOST_WAITING) this.mostWaiting++;
    this.replyBytes = Math.max(end - start, this.replyBytes - (this.replyBytes >> 3), 64);
    if (slot !== this.firstSlot) {
      slot.reply = bytes.slice(start, end);
      this.hold(end - start);
    } else {
      this.send(bytes, start, end - start);
      this.release(slot);
      while (this.firstSlot?.reply !== undefined) {
        const next: Slot = this.firstSlot;
        this.heldBytes -= next.reply!.length;
        this.send(next.reply!, 0, next.reply!.length);
        this.release(next);
      }
    }
    if (this.isWindowFull && this.waiting <= this.window() >> 1) this.isWindowFull = false;
    if (this.isHeldFull && this.heldBytes <= HELD_BYTES >> 1) this.isHeldFull = false;
    this.goOn();
    this.endIfDone();
  }

  private hold(length: number): void {
    this.heldBytes += length;
    if (this.heldBytes > HELD_BYTES) this.isHeldFull = true;
    this.mindBacklog();
  }

  /** Long replies that were asked for in time may still be more than one client is worth. */
  private mindBacklog(): void {
    if (this.heldBytes + (this.unsent?.length ?? 0) <= 2 * this.server.replyBytes) return;
    this.row[OVERFULL]!++;
    this.close();
  }

  /** The first slot's reply is out: its tail follows. */
  private release(slot: Slot): void {
    if (this.isClosed) return;
    this.heldBytes -= slot.tailLength;
    this.send(slot.tail, 0, slot.tailLength);
    this.firstSlot = slot.next;
    if (this.firstSlot === undefined) this.lastSlot = undefined;
    this.server.slots.give(slot);
  }

  /** A message of a channel. */
  push(bytes: Uint8Array, length: number): void {
    try {
      this.place(bytes, length);
    } catch (error) {
      return this.abandon(error);
    }
    const unread = (this.unsent?.length ?? 0) + (this.lastSlot?.tailLength ?? 0);
    if (unread <= this.server.subscriberBytes) return;
    this.row[SLOW_SUBSCRIBERS]!++;
    this.close();
  }

  /** Puts what is written where it belongs: behind the last slot, or out. */
  private settle(): void {
    const { writer } = this;
    if (writer.length === 0) return;
    try {
      this.place(writer.bytes, writer.length);
    } catch (error) {
      this.abandon(error);
    }
    writer.clear();
  }

  private place(bytes: Uint8Array, length: number): void {
    if (this.lastSlot === undefined) {
      this.send(bytes, 0, length);
    } else {
      this.lastSlot.append(bytes, length);
      this.hold(length);
    }
  }

  private send(bytes: Uint8Array, offset: number, length: number): void {
    if (length === 0 || this.isClosed) return;
    if (this.unsent === undefined) {
      if (this.transport.offer(bytes, offset, length) !== BACK_PRESSURED) return;
      this.unsent = new ReplyWriter(length);
      this.isConnectionFull = true;
      this.row[BLOCKED]!++;
      this.transport.whenWritable(this.offerAgain);
    }
    this.unsent.raw(bytes, offset, offset + length);
    this.mindBacklog();
  }

  private readonly offerAgain = (): void => {
    const { unsent } = this;
    if (unsent === undefined || this.isClosed) return;
    const code = this.transport.offer(unsent.bytes, 0, unsent.length);
    if (code === BACK_PRESSURED) return this.transport.whenWritable(this.offerAgain);
    this.unsent = undefined;
    this.isConnectionFull = false;
    if (code === CLOSED) return;
    this.goOn();
    this.endIfDone();
  };

  // ---- Stopping and going on ------------------------------------------------------------------------------------------

  /** After a request: stops when the outbox there is full. */
  private mindRoom(owner: number): void {
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

  /** Something that stopped the work is over; works what waits in the parser, and reads again when nothing stops it. */
  private goOn(): void {
    if (this.isBlocked || this.isClosed || this.isWorking || !this.isPaused) return;
    if (!this.isEnding) this.work();
    if (this.isBlocked || this.isClosed) return;
    this.isPaused = false;
    this.transport.resume();
    this.endIfDone();
  }

  private endIfDone(): void {
    if (this.isClosed || this.isWorking || this.firstSlot !== undefined || this.unsent !== undefined) return;
    if (this.isEnding || (this.hasPeerEnded && !this.isPaused)) this.transport.end();
  }

  /** For QUIT. */
  quit(): void {
    this.isEnding = true;
  }

  private close(): void {
    this.transport.close();
    this.noteClosed();
  }

  /**
   * An exception where replies are put in order: what has been written cannot be kept, and what follows could not be
   * told from it.
   */
  private abandon(error: unknown): void {
    this.server.describe(error);
    this.close();
  }
}

/** As redis-server says it: at most 128 characters of the name and of the arguments, up to a NUL. */
function unknownCommand(args: Arguments): string {
  const text = (index: number): string => argumentText(args, index).split('\0')[0]!;
  let words = '';
  for (let i = 1; i < args.count && words.length < 128; i++) words += `'${text(i).slice(0, 128 - words.length)}' `;
  return `ERR unknown command '${text(0).slice(0, 128)}', with args beginning with: ${words}`;
}
