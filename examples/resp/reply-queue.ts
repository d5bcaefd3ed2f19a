/**
 * Keeps the replies of one connection in the order of its commands, while some of them are worked in other reactors.
 *
 *     GET a (here)   GET b (reactor 1)   GET c (here)   MGET d e (reactors 1 and 2)   PING
 *     sent at once   slot ------------- tail: c -----> slot --------------------- tail: +PONG
 *
 * A slot waits for a reply from elsewhere; its tail holds the replies of what came behind it and was done here. When
 * the first slot has its reply, that goes out, then its tail, then the next slots as far as they are complete.
 */
import { copyBytes } from './bytes.js';
import { MGET, type Command } from './command-table.js';
import { ReplyWriter } from './reply-writer.js';

/**
 * Takes the reply of a command that ran in another reactor. It must not throw, since its caller has the replies of
 * other clients to hand out.
 */
export interface Receiver {
  receive(bytes: Uint8Array, start: number, end: number): void;
}

/** Gives the receiver an error in place of the reply. */
export function failReceiver(receiver: Receiver, text: string): void {
  const bytes = Buffer.from(`-${text.replace(/[\r\n]/g, ' ')}\r\n`, 'latin1');
  receiver.receive(new Uint8Array(bytes), 0, bytes.length);
}

export interface SlotOwner {
  /** The slot's reply is there; it is valid during the call only. */
  complete(slot: Slot, bytes: Uint8Array, start: number, end: number): void;
}

const NOTHING = new Uint8Array(0);
/** A tail that has grown beyond this is given back. */
const KEPT_BYTES = 16_384;

export class Slot implements Receiver {
  next: Slot | undefined;
  /** The reply, once it is there and slots before this one wait. */
  reply: Uint8Array | undefined;
  tail: Uint8Array = NOTHING;
  tailLength = 0;

  constructor(public owner: SlotOwner) {}

  receive(bytes: Uint8Array, start: number, end: number): void {
    this.owner.complete(this, bytes, start, end);
  }

  append(bytes: Uint8Array, length: number): void {
    const needed = this.tailLength + length;
    if (needed > this.tail.length) {
      const grown = new Uint8Array(Math.max(256, 2 ** Math.ceil(Math.log2(needed))));
      grown.set(this.tail.subarray(0, this.tailLength));
      this.tail = grown;
    }
    copyBytes(bytes, 0, length, this.tail, this.tailLength);
    this.tailLength = needed;
  }
}

/** Slots that are not in use, of all connections of a reactor: one is taken for every command that goes elsewhere. */
export class SlotPool {
  private free: Slot | undefined;

  take(owner: SlotOwner): Slot {
    const slot = this.free;
    if (slot === undefined) return new Slot(owner);
    this.free = slot.next;
    slot.next = undefined;
    slot.owner = owner;
    return slot;
  }

  give(slot: Slot): void {
    slot.reply = undefined;
    slot.tailLength = 0;
    if (slot.tail.length > KEPT_BYTES) slot.tail = NOTHING;
    slot.next = this.free;
    this.free = slot;
  }
}

/**
 * Puts together the replies of a command that was taken apart: integers are added, values go to their places, OK when
 * all are.
 */
export class Gather {
  private waiting = 0;
  private sum = 0;
  private failure: Uint8Array | undefined;
  private isFailed = false;
  private readonly values: Uint8Array[] = [];

  /** `mostBytes`: how long the reply may be; `describe`: what an exception is called in a reply. */
  constructor(
    private readonly command: Command,
    private readonly slot: Slot,
    private readonly mostBytes: number,
    private readonly describe: (error: unknown) => string,
  ) {}

  /**
   * A receiver for one reactor's share; `places`: which arguments of MGET it has. Make all of them before the first
   * reply can come.
   */
  part(places: readonly number[]): Receiver {
    this.waiting++;
    return { receive: (bytes, start, end) => this.add(places, bytes, start, end) };
  }

  private add(places: readonly number[], bytes: Uint8Array, start: number, end: number): void {
    this.waiting--;
    if (this.isFailed) return;
    try {
      if (bytes[start] === 0x2d) this.failure ??= bytes.slice(start, end);
      else if (this.command === MGET) this.addValues(places, bytes, start);
      else if (bytes[start] === 0x3a) this.sum += numberAt(bytes, start + 1);
      if (this.waiting === 0) this.finish();
    } catch (error) {
      // The parts that are still to come are dropped.
      this.isFailed = true;
      this.values.length = 0;
      failReceiver(this.slot, this.describe(error));
    }
  }

  /** `*2\r\n$1\r\na\r\n$-1\r\n`: each value as it stands, length and all. */
  private addValues(places: readonly number[], bytes: Uint8Array, start: number): void {
    let at = lineAfter(bytes, start);
    for (const place of places) {
      const length = numberAt(bytes, at + 1);
      const after = lineAfter(bytes, at) + (length < 0 ? 0 : length + 2);
      this.values[place] = bytes.slice(at, after);
      at = after;
    }
  }

  private finish(): void {
    if (this.failure !== undefined) return this.slot.receive(this.failure, 0, this.failure.length);
    const reply = new ReplyWriter(256, this.mostBytes);
    if (this.command.isOk) {
      reply.ok();
    } else if (this.command === MGET) {
      reply.array(this.values.length);
      for (const value of this.values) reply.raw(value, 0, value.length);
    } else {
      reply.integer(this.sum);
    }
    this.slot.receive(reply.bytes, 0, reply.length);
  }
}

function numberAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 0x2d) return -numberAt(bytes, at + 1);
  let value = 0;
  for (; bytes[at] !== 0x0d; at++) value = value * 10 + bytes[at]! - 0x30;
  return value;
}

function lineAfter(bytes: Uint8Array, at: number): number {
  while (bytes[at] !== 0x0a) at++;
  return at + 1;
}
