/**
 * A task: a name, a band, a bounded mailbox, and a step that runs to completion for each message.
 *
 *      idle --send--> ready --select--> running --step returns--> idle, or ready while messages are left
 *
 * Messages from this thread wait in the mailbox as they are; messages from other reactors run from their lane, in the
 * band in which they were sent. A step that throws is counted and reported; its message is gone, and the task goes on.
 *
 * A task may have a body, which runs in its quanta instead of the step and takes the messages out of the mailbox by
 * itself: a process. Its step then only puts what comes from other reactors into the mailbox.
 */
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { noteRefusal } from '../refusals.js';
import type { FigureSlot, ToldCounts } from '../observe/internal.js';
import type { TakenReady } from '../scheduling/internal.js';
import { QUANTUM } from './quantum.js';
import type { Stepping } from './steps.js';
import type { Turn } from './turn.js';
import type { Timed } from './run-figures.js';
import { WaitingLine, type Room } from './waiting-line.js';
import type { Holdable } from './waits.js';

/** A message of bytes where it lies in the lane; valid only during the step. */
export interface ByteRecord {
  /** All memory of the lane; the record is `length` bytes at `offset`. */
  readonly bytes: Uint8Array;
  /** The same as a DataView. */
  readonly view: DataView;
  /** For aligned 32-bit fields: `words[offset >> 2]`; `offset` is a multiple of 8. */
  readonly words: Int32Array;
  /** The same as a Buffer, for text. */
  readonly buffer: Buffer;
  /** Where the record begins. */
  readonly offset: number;
  /** How many bytes it has. */
  readonly length: number;
  /** The party that sent it; the main thread comes after the last reactor. */
  readonly from: number;
  /** The band it was sent in. */
  readonly priority: number;
}

/** Messages for which a new mailbox has room; it grows. */
const FIRST_ROOM = 4;

export interface TaskOptions<B extends boolean> {
  readonly name: string;
  readonly band: number;
  readonly capacity: number;
  /** Most asynchronous steps under way at once; Infinity by default. */
  readonly concurrency: number;
  readonly takesBytes: B;
}

/** What runs in the quanta of a task that has a body of its own. */
export interface TaskBody {
  /** Runs a quantum; returns true if there is more. */
  run(): boolean;
  /** The party has left: no quantum comes any more. */
  leave(): void;
}

/** A task whose step gets values, as they are or copied. */
export type ValueTask = LocalTask<unknown, false>;
/** A task whose step gets bytes where they lie in a lane. It has no mailbox: what it is sent waits in the lanes. */
export type ByteTask = LocalTask<ByteRecord, true>;

/** `M` is what the step gets. */
export class LocalTask<M, B extends boolean> implements Holdable, Room, Stepping<M>, Timed {
  // The order is that of use, since many tasks that run in turn are each in the way of the others' cache lines: first
  // what a selection touches, then what a message and a step touch, then what figures do.
  isReady = false;
  readonly band: number;
  taken: TakenReady | null = null;
  private count = 0;
  private first = 0;
  /** How many messages may wait; 0 once it has ended. */
  capacity: number;
  private readonly messages: (M | undefined)[];
  readonly step: Stepping<M>['step'];
  /** Set before its first message, by its maker. */
  body: TaskBody | undefined = undefined;
  readonly concurrency: number;
  /** Asynchronous steps under way. */
  unsettled = 0;
  private isInQuantum = false;
  /** It takes nothing any more, and its name is free. */
  hasEnded = false;
  /** Steps that have taken their message. Whoever runs them counts, since most run many. */
  steps = 0;
  /** Those who wait for room in the mailbox. Made with the first of them: few tasks ever have any. */
  private roomLine: WaitingLine | undefined = undefined;
  figures: FigureSlot | undefined = undefined;
  told: ToldCounts | undefined = undefined;
  readyNs = 0;
  sinceNs = 0;
  meanNs = 0;
  again = 0;
  errors = 0;
  /** Messages of this thread that were refused. */
  refused = 0;
  /** It waits for whoever has refused its step. */
  isHeld = false;
  readonly takesBytes: B;
  readonly name: string;
  /** Made when a message has to wait until an asynchronous step has settled: few tasks ever need it. */
  private settlingLine: WaitingLine | undefined = undefined;

  constructor(private readonly turn: Turn, options: TaskOptions<B>, step: Stepping<M>['step']) {
    this.step = step;
    this.name = options.name;
    this.band = options.band;
    this.capacity = options.capacity;
    this.concurrency = options.concurrency;
    this.takesBytes = options.takesBytes;
    // As long as it is likely to become; left to itself, the first message would make room for seventeen.
    this.messages = new Array<M | undefined>(options.takesBytes ? 0 : Math.min(options.capacity, FIRST_ROOM))
      .fill(undefined);
  }

  /** Those who wait for room in the mailbox. */
  get line(): WaitingLine {
    return (this.roomLine ??= new WaitingLine(this.turn.waits, this));
  }

  /** Messages that wait until an asynchronous step of this task has settled. */
  get settling(): WaitingLine {
    return (this.settlingLine ??= new WaitingLine(this.turn.waits, {
      askForRoom: (steps) => this.unsettled + steps <= this.concurrency,
      unitsOf: (steps) => steps,
      isOver: () => false,
      describe: () => `a step of task "${this.name}"`,
    }));
  }

  /** Messages that wait. */
  get depth(): number {
    return this.count;
  }

  /**
   * Puts a message of this thread into the mailbox. Returns OK, BACK_PRESSURED if `capacity` messages wait, or CLOSED
   * after the task has ended. Does not allocate once the mailbox has grown.
   */
  push(message: M): number {
    // Nobody overtakes those who wait.
    const { roomLine } = this;
    if (this.count >= this.capacity || (roomLine !== undefined && roomLine.count !== 0 && !roomLine.lets(1))) {
      if (this.hasEnded) return CLOSED;
      this.refused++;
      noteRefusal(this.line, 1);
      return BACK_PRESSURED;
    }
    let at = this.first + this.count;
    if (at >= this.capacity) at -= this.capacity;
    this.messages[at] = message;
    this.count++;
    if (!this.isReady) this.turn.schedule(this);
    return OK;
  }

  /** For a body: the next message. There must be one, and the caller tells those who wait for room. */
  take(): M {
    const message = this.messages[this.first] as M;
    this.messages[this.first] = undefined;
    this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
    if (--this.count === 0) this.first = 0;
    return message;
  }

  /** There may be room in the mailbox. */
  mayHaveRoom(): void {
    this.roomLine?.mayHaveRoom();
  }

  /** Takes nothing any more. Returns how many messages are lost with it; the one whose step runs now is not lost. */
  end(): number {
    // The message of a running step is taken out when the step has ended.
    const kept = this.isInQuantum && this.body === undefined ? 1 : 0;
    const lost = this.count - kept;
    this.hasEnded = true;
    this.capacity = 0;
    this.count = kept;
    if (kept === 0) this.messages.length = 0;
    // Those who wait for room hear that nobody is there to wait for.
    this.mayHaveRoom();
    return lost;
  }

  run(): boolean {
    if (this.body !== undefined) return this.body.run();
    const { turn } = this;
    this.isInQuantum = true;
    let steps = 0;
    while (this.count !== 0 && steps < QUANTUM) {
      const code = turn.steps.run(this, this.messages[this.first]!, turn.id, this.band);
      // A step that has ended its own task has taken its message, whatever it returns.
      if (code !== OK && !this.hasEnded) {
        turn.hold(this, code);
        break;
      }
      this.messages[this.first] = undefined;
      this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
      this.count--;
      steps++;
      if (turn.mustEndQuantum(this.band, steps)) break;
    }
    this.isInQuantum = false;
    this.steps += steps;
    // Otherwise a task to which one message at a time is sent would go through all its capacity, and hold that memory.
    if (this.count === 0) this.first = 0;
    if (steps !== 0 && this.roomLine !== undefined) this.roomLine.mayHaveRoom();
    turn.endQuantum(this.band, steps);
    return this.count !== 0;
  }

  setHeld(isHeld: boolean): void {
    // Only a message of this thread would schedule it, and that one sees that it is ready.
    this.isHeld = isHeld;
  }

  /** An asynchronous step has settled. */
  hasSettled(): void {
    this.settlingLine?.mayHaveRoom();
  }

  // ---- For those who wait for room in the mailbox -------------------------------------------------------------------

  askForRoom(messages: number): boolean {
    return this.count + messages <= this.capacity;
  }

  unitsOf(messages: number): number {
    return messages;
  }

  isOver(): boolean {
    return this.hasEnded;
  }

  describe(): string {
    return `room in the mailbox of task "${this.name}"`;
  }
}
