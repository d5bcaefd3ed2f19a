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
import type { Steps } from './steps.js';
import { WaitingLine, type Room, type WaitingHost } from './waiting-line.js';
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

/**
 * What a step may answer: nothing or OK; BACK_PRESSURED to get the same message again as soon as one of those that
 * refused this step has room, without a turn until then; AGAIN, or BACK_PRESSURED where nobody has refused, to get it
 * again in the next turn, behind the others of its band. CLOSED and TOO_LARGE are reported as step errors: what the
 * step sent was not taken, and its message is gone. Other values mean nothing. A promise: the message is taken, and a
 * rejection is reported; see `concurrency`. docs/architecture.md has the whole rule.
 */
export type StepResult = number | void | Promise<void>;

/** Messages run before other tasks of the band get their turn. */
const QUANTUM = 16;

export interface TaskHost {
  readonly id: number;
  readonly steps: Steps;
  readonly waits: WaitingHost;
  schedule(task: LocalTask): void;
  mustYield(band: number): boolean;
  /** The task's step has answered BACK_PRESSURED or AGAIN; it keeps its message until it is scheduled again. */
  hold(task: LocalTask, code: number): void;
  /** `count` steps of `band` were run, on so many records of lanes: publish what they sent. */
  endQuantum(band: number, count: number, records: number): void;
}

export interface TaskOptions {
  readonly name: string;
  readonly band: number;
  readonly capacity: number;
  /** Asynchronous steps that may be under way at once; Infinity where nothing is said. */
  readonly concurrency: number;
  readonly takesBytes: boolean;
}

export class LocalTask implements Holdable, Room {
  isReady = false;
  readonly name: string;
  readonly band: number;
  readonly capacity: number;
  readonly concurrency: number;
  readonly takesBytes: boolean;
  /** Asynchronous steps under way. */
  unsettled = 0;
  /** Those who wait for room in the mailbox. */
  readonly line: WaitingLine;
  /** Messages that wait until an asynchronous step of this task has settled. */
  readonly settling: WaitingLine;
  private readonly messages: unknown[] = [];
  private first = 0;
  private count = 0;

  constructor(private readonly host: TaskHost, options: TaskOptions, readonly step: (message: never, from: number, priority: number) => StepResult) {
    this.name = options.name;
    this.band = options.band;
    this.capacity = options.capacity;
    this.concurrency = options.concurrency;
    this.takesBytes = options.takesBytes;
    this.line = new WaitingLine(host.waits, this);
    this.settling = new WaitingLine(host.waits, {
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
  push(message: unknown): number {
    // Nobody overtakes those who wait.
    if (this.count === this.capacity || (this.line.count !== 0 && !this.line.lets(1))) {
      noteRefusal(this.line, 1);
      return BACK_PRESSURED;
    }
    let at = this.first + this.count;
    if (at >= this.capacity) at -= this.capacity;
    this.messages[at] = message;
    this.count++;
    if (!this.isReady) this.host.schedule(this);
    return OK;
  }

  run(): boolean {
    const host = this.host;
    let steps = 0;
    while (this.count !== 0 && steps < QUANTUM) {
      const code = host.steps.run(this, this.messages[this.first], host.id, this.band);
      if (code !== OK) {
        host.hold(this, code);
        break;
      }
      this.messages[this.first] = undefined;
      this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
      this.count--;
      steps++;
      if (host.mustYield(this.band)) break;
    }
    if (steps !== 0) this.line.mayHaveRoom();
    host.endQuantum(this.band, steps, 0);
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
