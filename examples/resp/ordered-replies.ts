/**
 * The replies of one client, in the order of its commands, on their way to its connection.
 *
 *     written here ----------------------> settle --> send --> offer
 *     written here behind a slot --> tail                ^
 *     from another reactor --> slot --> its reply, tail -+
 *
 * What the connection refuses waits here until there is room. All that waits is bounded: beyond a limit the client's
 * commands wait as well, and beyond twice the longest reply the client is closed.
 */
import { BACK_PRESSURED, CLOSED } from 'percore';
import { at } from './counters.js';
import type { Slot, SlotOwner } from './reply-queue.js';
import { ReplyWriter } from './reply-writer.js';
import type { Server } from './server.js';
import type { Transport } from './transport.js';

/** How many commands of one client may wait for other reactors, */
const MOST_WAITING = 256;
/** and how many bytes their replies may be: fewer commands wait when replies are long. */
const WAITING_BYTES = 2 ** 20;
/** How many may wait at first, when it is not known yet how long replies are. */
const FIRST_WAITING = 16;
/** Replies that wait behind one from another reactor, in bytes: beyond this the client's commands wait too. */
const HELD_BYTES = 2 ** 20;

const REMOTE = at('remoteCommands');
const SLOW_SUBSCRIBERS = at('slowSubscribers');
const BLOCKED = at('blocked');
const OVERFULL = at('overfull');

/** Whose replies these are. */
export interface RepliesClient {
  /** What had stopped the commands is over, perhaps. */
  goOn(): void;
  /** A reply is out, perhaps the last. */
  endIfDone(): void;
  /** The order of replies cannot be kept. */
  abandon(error: unknown): void;
  /** More waits for this client than it may have. */
  close(): void;
}

export class OrderedReplies implements SlotOwner {
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
  /** What the connection has not taken: what `offer` refused, and what came behind it. */
  private unsent: ReplyWriter | undefined;
  private isConnectionFull = false;
  private isWindowFull = false;
  private isHeldFull = false;
  private isClosed = false;

  constructor(
    private readonly server: Server,
    private readonly transport: Transport,
    private readonly client: RepliesClient,
  ) {
    this.writer = server.writer;
    this.row = server.counters.row;
  }

  /** No command should be worked now: its reply would have to wait with too many others. */
  get isBlocked(): boolean {
    return this.isConnectionFull || this.isWindowFull || this.isHeldFull;
  }

  /** Every reply is out. */
  get isEmpty(): boolean {
    return this.firstSlot === undefined && this.unsent === undefined;
  }

  /** The connection is closed: nothing is sent any more, and what comes from other reactors is let go. */
  close(): void {
    this.isClosed = true;
    this.unsent = this.firstSlot = this.lastSlot = undefined;
    this.heldBytes = 0;
  }

  /** A place in the order of replies for one that comes from elsewhere. */
  openSlot(): Slot {
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
    // The client has gone meanwhile.
    if (this.isClosed) return;
    try {
      this.take(slot, bytes, start, end);
    } catch (error) {
      this.client.abandon(error);
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
    this.client.goOn();
    this.client.endIfDone();
  }

  private hold(length: number): void {
    this.heldBytes += length;
    if (this.heldBytes > HELD_BYTES) this.isHeldFull = true;
    this.mindBacklog();
  }

  /** Long replies that were asked for in time may still add up to more than one client may have. */
  private mindBacklog(): void {
    if (this.heldBytes + (this.unsent?.length ?? 0) <= 2 * this.server.replyBytes) return;
    this.row[OVERFULL]!++;
    this.client.close();
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
      return this.client.abandon(error);
    }
    const unread = (this.unsent?.length ?? 0) + (this.lastSlot?.tailLength ?? 0);
    if (unread <= this.server.subscriberBytes) return;
    this.row[SLOW_SUBSCRIBERS]!++;
    this.client.close();
  }

  /** Puts what is written where it belongs: behind the last slot, or out. */
  settle(): void {
    const { writer } = this;
    if (writer.length === 0) return;
    try {
      this.place(writer.bytes, writer.length);
    } catch (error) {
      this.client.abandon(error);
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
    this.client.goOn();
    this.client.endIfDone();
  };
}
