/**
 * The receiving end of a lane, as a task of its band: ready while the lane holds records. The lane is the mailbox:
 * records run where they lie, are released in one store after a few, and stay when their target answers
 * BACK_PRESSURED.
 */
import { BANDS, LANES_PER_PEER, RETURN_LANES } from '../layout.js';
import { OK, sub, type RecordMemory, type VariableConsumer, type VariableQueue } from '../queues/index.js';
import { BYTES, HEAD_BYTES } from './message.js';
import { HeardName } from './names.js';
import type { ByteRecord, ByteTask } from './task.js';
import type { Turn } from './turn.js';
import type { Holdable } from './waits.js';
import { ON_ROOM } from '../queues/internal.js';

/** Records run before other tasks of the band get their turn. */
const QUANTUM = 16;

/** Who knows what a record is for. */
export interface Receiver {
  /** Runs what the record at `at` is for. OK when it is taken; BACK_PRESSURED or AGAIN when it stays in the lane. */
  dispatch(inlet: Inlet, at: number, length: number, type: number): number;
}

export class Inlet implements Holdable, RecordMemory {
  isReady = false;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly buffer: Buffer;
  /** What a step of bytes is given: the same object each time, with a new offset and length. */
  readonly record: ByteRecord & { offset: number; length: number };
  /** What this lane's names stand for, by number: see names.ts. */
  readonly names: HeardName[] = [];
  /** NAME records of this quantum: they are no messages. */
  private heard = 0;
  /** The name of the last record of bytes, and its task: the next is usually for the same. */
  private target = -1;
  private byteTask: ByteTask | undefined;
  private readonly consumer: VariableConsumer;

  readonly band: number;
  /** It is a return lane. */
  readonly isReturn: boolean;

  /** `number` is the lane's as native reports it, `from` its producer, which `onSpace` tells that there is room. */
  constructor(
    private readonly turn: Turn, private readonly receiver: Receiver,
    queue: VariableQueue, readonly number: number, readonly from: number, onSpace: () => void,
  ) {
    const band = this.band = bandOfLane(number);
    this.isReturn = number % LANES_PER_PEER >= RETURN_LANES;
    this.consumer = sub(queue);
    this.consumer[ON_ROOM](onSpace);
    this.words = this.consumer.words;
    this.bytes = this.consumer.bytes;
    this.view = this.consumer.view;
    this.buffer = Buffer.from(queue.buffer, queue.byteOffset, this.bytes.length);
    this.record = {
      bytes: this.bytes,
      view: this.view,
      words: this.words,
      buffer: this.buffer,
      offset: 0,
      length: 0,
      from,
      priority: band,
    };
  }

  run(): boolean {
    const { consumer, turn } = this;
    let count = 0;
    let hasMore = false;
    for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
      const { type, length } = consumer;
      const code = type === BYTES && this.words[at >> 2] === this.target
        ? this.runBytes(at, length)
        : this.receiver.dispatch(this, at, length, type);
      if (code !== OK) {
        turn.hold(this, code);
        break;
      }
      consumer.advance();
      count++;
      // Not a look at the producer's cursor: native looks at all lanes together, and what was just sent goes out first.
      hasMore = consumer.hasSeenMore();
      if (!hasMore || count === QUANTUM || turn.mustYield(this.band)) break;
    }
    // What the steps sent goes out before what they read is given back: an answer is waited for, room rarely is.
    const messages = count - this.heard;
    this.heard = 0;
    turn.endQuantum(this.band, messages, messages);
    consumer.publishRelease();
    return hasMore;
  }

  /** A NAME record: from now on its number stands for this name here. */
  hear(at: number, length: number): void {
    const number = this.words[at >> 2]!;
    this.names[number] = new HeardName(this.buffer.toString('utf16le', at + HEAD_BYTES, at + length));
    if (this.target === number) this.target = -1;
    this.heard++;
  }

  /** From now on records of bytes for the name `target` run without asking the receiver. */
  learn(target: number, task: ByteTask): void {
    this.target = target;
    this.byteTask = task;
  }

  /** That task has ended: the next record for its name is for the receiver to judge. */
  forget(task: ByteTask): void {
    if (this.byteTask !== task) return;
    this.byteTask = undefined;
    this.target = -1;
  }

  /** Runs a task of bytes on the record where it lies. */
  runBytes(at: number, length: number, task: ByteTask = this.byteTask!): number {
    this.record.offset = at + HEAD_BYTES;
    this.record.length = length - HEAD_BYTES;
    const code = this.turn.steps.run(task, this.record, this.from, this.band);
    if (code === OK) task.steps++;
    return code;
  }

  setHeld(isHeld: boolean): void {
    this.turn.setMuted(this.number, isHeld);
  }

  /** True while a record waits. */
  hasRecords(): boolean {
    return this.consumer.peek() >= 0;
  }
}

/** Forward or return, a lane belongs to its band. */
export const bandOfLane = (lane: number): number => lane % BANDS;
