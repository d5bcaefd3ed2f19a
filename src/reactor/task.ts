/**
 * A task: a name, a band, a bounded mailbox, and a step that runs to completion for each message.
 *
 *      idle --send--> ready --select--> running --step returns--> idle, or ready while messages are left
 *
 * Messages from this thread wait in the mailbox as they are; messages from other reactors run from their lane, in the band they
 * were sent in. A step that throws is counted and reported; its message is gone, the task goes on.
 */
import { AGAIN, BACK_PRESSURED, OK } from '../queues/index.js';
import type { Ready } from '../ready.js';

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

/** What a step may answer: nothing; BACK_PRESSURED to get the same message again when there is room; AGAIN to get it again soon. */
export type StepResult = number | void | Promise<void>;

/** Messages run before other tasks of the band get their turn. */
const QUANTUM = 16;

export interface TaskHost {
  schedule(ready: Ready): void;
  mustYield(band: number): boolean;
  runStep(task: LocalTask, message: unknown): number;
  /** `count` steps of `band` were run, on so many records of lanes: publish what they sent. */
  endQuantum(band: number, count: number, records: number): void;
}

export class LocalTask implements Ready {
  isReady = false;
  private readonly messages: unknown[];
  private first = 0;
  private count = 0;

  constructor(
    private readonly host: TaskHost,
    readonly name: string,
    readonly band: number,
    readonly capacity: number,
    readonly takesBytes: boolean,
    readonly step: (message: never, from: number, priority: number) => StepResult,
  ) {
    this.messages = [];
  }

  /** Messages that wait. */
  get depth(): number {
    return this.count;
  }

  /** Puts a message of this thread into the mailbox. OK, or BACK_PRESSURED when `capacity` messages wait. Does not allocate once grown. */
  push(message: unknown): number {
    if (this.count === this.capacity) return BACK_PRESSURED;
    let at = this.first + this.count;
    if (at >= this.capacity) at -= this.capacity;
    this.messages[at] = message;
    this.count++;
    if (!this.isReady) this.host.schedule(this);
    return OK;
  }

  run(): boolean {
    let steps = 0;
    while (this.count !== 0 && steps < QUANTUM) {
      const message = this.messages[this.first];
      const code = this.host.runStep(this, message);
      if (code === BACK_PRESSURED || code === AGAIN) break;
      this.messages[this.first] = undefined;
      this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
      this.count--;
      steps++;
      if (this.host.mustYield(this.band)) break;
    }
    this.host.endQuantum(this.band, steps, 0);
    return this.count !== 0;
  }
}
