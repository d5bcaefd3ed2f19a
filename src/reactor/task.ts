/**
 * A task: a name, a band, a bounded mailbox, and a step that runs to completion for each message.
 *
 *      idle --send--> ready --select--> running --step returns--> idle, or ready while messages are left
 *
 * Messages from this thread wait in the mailbox as they are; messages from other reactors run from their lane, in the
 * band they were sent in. A step that throws is counted and reported; its message is gone, the task goes on.
 */
import { BACK_PRESSURED, OK } from '../queues/index.js';
import { noteRefusal } from '../refusals.js';
import type { Stepping } from './steps.js';
import type { Turn } from './turn.js';
import { WaitingLine, type Room } from './waiting-line.js';
import type { Holdable } from './waits.js';

/** A message of bytes where it lies in the lane; valid during the step only. */
export interface ByteRecord {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** For aligned 32-bit fields: `words[offset >> 2]`; `offset` is a multiple of 8. */
  readonly words: Int32Array;
  readonly buffer: Buffer;
  readonly offset: number;
  readonly length: number;
  /** The party that sent it; the main thread comes after the last reactor. */
  readonly from: number;
  /** The band it was sent in. */
  readonly priority: number;
}

/** Messages run before other tasks of the band get their turn. */
const QUANTUM = 16;

export interface TaskOptions<B extends boolean> {
  readonly name: string;
  readonly band: number;
  readonly capacity: number;
  /** Asynchronous steps that may be under way at once; Infinity where nothing is said. */
  readonly concurrency: number;
  readonly takesBytes: B;
}

/** A task whose step is given values, as they are or copied. */
export type ValueTask = LocalTask<unknown, false>;
/** A task whose step is given bytes where they lie in a lane. It has no mailbox: what it is sent waits in the lanes. */
export type ByteTask = LocalTask<ByteRecord, true>;

/** `M` is what the step is given. */
export class LocalTask<M, B extends boolean> implements Holdable, Room, Stepping<M> {
  isReady = false;
  readonly name: string;
  readonly band: number;
  readonly capacity: number;
  readonly concurrency: number;
  readonly takesBytes: B;
  readonly step: Stepping<M>['step'];
  /** Asynchronous steps under way. */
  unsettled = 0;
  /** Those who wait for room in the mailbox. */
  readonly line: WaitingLine;
  /** Messages that wait until an asynchronous step of this task has settled. */
  readonly settling: WaitingLine;
  private readonly messages: (M | undefined)[] = [];
  private first = 0;
  private count = 0;

  constructor(private readonly turn: Turn, options: TaskOptions<B>, step: Stepping<M>['step']) {
    this.step = step;
    this.name = options.name;
    this.band = options.band;
    this.capacity = options.capacity;
    this.concurrency = options.concurrency;
    this.takesBytes = options.takesBytes;
    this.line = new WaitingLine(turn.waits, this);
    this.settling = new WaitingLine(turn.waits, {
      askForRoom: (steps) => this.unsettled + steps <= this.concurrency,
      unitsOf: (steps) => steps,
      isOver: () => false,
      describe: () => `a step of task "${this.name}"`,
    });
  }

  /** Messages that wait. */
  get depth(): number {
    return this.count;
  }

  /**
   * Puts a message of this thread into the mailbox. OK, or BACK_PRESSURED when `capacity` messages wait. Does not
   * allocate once grown.
   */
  push(message: M): number {
    // Nobody overtakes those who wait.
    if (this.count === this.capacity || (this.line.count !== 0 && !this.line.lets(1))) {
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

  run(): boolean {
    const { turn } = this;
    let steps = 0;
    while (this.count !== 0 && steps < QUANTUM) {
      const code = turn.steps.run(this, this.messages[this.first]!, turn.id, this.band);
      if (code !== OK) {
        turn.hold(this, code);
        break;
      }
      this.messages[this.first] = undefined;
      this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
      this.count--;
      steps++;
      if (turn.mustYield(this.band)) break;
    }
    if (steps !== 0) this.line.mayHaveRoom();
    turn.endQuantum(this.band, steps);
    return this.count !== 0;
  }

  setHeld(): void {
    // Nobody but a message of this thread would schedule it, and that one sees that it is ready.
  }

  /** An asynchronous step has settled. */
  hasSettled(): void {
    this.settling.mayHaveRoom();
  }

  // ---- For those who wait for room in the mailbox -------------------------------------------------------------------

  askForRoom(messages: number): boolean {
    return this.count + messages <= this.capacity;
  }

  unitsOf(messages: number): number {
    return messages;
  }

  isOver(): boolean {
    return false;
  }

  describe(): string {
    return `room in the mailbox of task "${this.name}"`;
  }
}
