/**
 * The receiving end of a lane, as a task of its band: ready while the lane holds records. The lane is the mailbox: records run
 * where they lie, are released in one store after a few, and stay when their target answers BACK_PRESSURED.
 */
import { BANDS } from '../layout.js';
import { BACK_PRESSURED, sub, type VariableConsumer, type VariableQueue } from '../queues/index.js';
import type { ValueMemory } from '../queues/value-codec.js';
import type { Ready } from '../ready.js';

/** Records run before other tasks of the band get their turn. */
const QUANTUM = 16;

export interface InletHost {
  /** Runs one record's target. BACK_PRESSURED: keep it. */
  dispatch(inlet: Inlet, at: number, length: number, type: number): number;
  /** True when something above `band` is ready or asks to be looked at. */
  mustYield(band: number): boolean;
  /** The lane's first record cannot be taken now: true if somebody will tell when it can, so the lane may be muted. */
  mute(inlet: Inlet): boolean;
  /** `count` records of `band` were run. */
  countSteps(band: number, count: number): void;
}

export class Inlet implements Ready, ValueMemory {
  isReady = false;
  isMuted = false;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly buffer: Buffer;
  private readonly consumer: VariableConsumer;

  constructor(private readonly host: InletHost, queue: VariableQueue, readonly number: number, readonly from: number, readonly band: number, onSpace: () => void) {
    this.consumer = sub(queue);
    this.consumer.onSpace = onSpace;
    this.words = this.consumer.words;
    this.bytes = this.consumer.bytes;
    this.view = this.consumer.view;
    this.buffer = Buffer.from(queue.buffer, queue.byteOffset, this.bytes.length);
  }

  run(): boolean {
    const consumer = this.consumer;
    const host = this.host;
    let count = 0;
    let hasMore = true;
    while (count < QUANTUM) {
      const at = consumer.peek();
      if (at < 0) {
        hasMore = false;
        break;
      }
      if (host.dispatch(this, at, consumer.length, consumer.type) === BACK_PRESSURED) {
        hasMore = !host.mute(this);
        break;
      }
      consumer.advance();
      count++;
      if (host.mustYield(this.band)) break;
    }
    consumer.publishRelease();
    if (count !== 0) host.countSteps(this.band, count);
    return hasMore;
  }

  /** True while a record waits. */
  hasRecords(): boolean {
    return this.consumer.peek() >= 0;
  }
}

/** Replies run above everything: their callers have waited already. */
export const bandOfLane = (lane: number): number => Math.min(lane, BANDS - 1);
