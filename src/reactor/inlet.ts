/**
 * The receiving end of a lane, as a task of its band: ready while the lane holds records. The lane is the mailbox:
 * records run where they lie, are released by one store after several, and stay when their target answers
 * BACK_PRESSURED. A record counts as taken before its step begins, so that a death in the middle of it does not run it
 * twice: see lane-repair.ts.
 */
import {
  BANDS, FIRST_PLACE_BYTES, LANES_PER_PEER, RETURN_LANES, partyLayout, placeLayout,
} from '../layout.js';
import { OK, type RecordMemory, type VariableConsumer, type VariableQueue } from '../queues/index.js';
import { hasSample, timesOf } from './arrivals.js';
import { BATCH, BYTES, HEAD_BYTES, NAME } from './message.js';
import { LANE_SHARES } from './lanes.js';
import { HeardName } from './names.js';
import { QUANTUM } from './quantum.js';
import type { ByteRecord, ByteTask } from './task.js';
import type { Turn } from './turn.js';
import type { Timed } from './run-figures.js';
import type { Holdable } from './waits.js';
import { ON_ROOM, spsc } from '../queues/internal.js';

const RECEIVED = partyLayout.fields.received.at >> 3;
/** Words of the lane, of its one place. */
const TAKEN = (FIRST_PLACE_BYTES + placeLayout.fields.taken.at) >> 2;
const COUNTED = (FIRST_PLACE_BYTES + placeLayout.fields.counted.at) >> 2;

/** Who knows what a record is for. */
export interface Receiver {
  /** Runs what the record at `at` is for. OK if it is taken; BACK_PRESSURED or AGAIN if it stays in the lane. */
  dispatch(inlet: Inlet, at: number, length: number, type: number): number;
}

/** A record as the bus gets it, which alone takes batches. */
export interface LaneRecord extends ByteRecord {
  offset: number;
  length: number;
  /** Of a batch: how many messages it has. */
  messages: number;
  /** The steps of this quantum, including those before it; whoever runs a batch adds its own. */
  steps: number;
  /** Set by whoever runs a batch if some of it is left: it stays in the lane and runs again soon. */
  isUnfinished: boolean;
}

export class Inlet implements Holdable, RecordMemory, Timed {
  isReady = false;
  readyNs = 0;
  sinceNs = 0;
  /** Called with each name, if later threads in this place need them. */
  onName: ((lane: number, number: number, text: string) => void) | undefined = undefined;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** For who watches. */
  readonly times: Float64Array;
  readonly buffer: Buffer;
  /** What a step of bytes gets: the same object each time, with a new offset and length. */
  readonly record: LaneRecord;
  /** What this lane's names stand for, by number: see names.ts. */
  readonly names: HeardName[] = [];
  /** NAME records of this quantum: they are not messages. */
  private heard = 0;
  /** The name of the last record of bytes, and its task: the next one is usually for the same. */
  private target = -1;
  /** The last record whose way was measured. */
  private sampled = 0;
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
    this.consumer = spsc.sub(queue, {}) as VariableConsumer;
    // Whoever waits gets a share at once, and would look for less in vain.
    this.consumer[ON_ROOM](onSpace, queue.capacity / LANE_SHARES);
    this.words = this.consumer.words;
    this.times = timesOf(this.words);
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
      messages: 1,
      steps: 0,
      isUnfinished: false,
    };
  }

  run(): boolean {
    const { consumer, turn } = this;
    let count = 0;
    // How many more messages than steps there were in batches that are done.
    let further = 0;
    let hasMore = false;
    for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
      const { type, length } = consumer;
      // A name counts as taken when it is known: see hear().
      if (type !== NAME) consumer.begin();
      if (type === BATCH) this.beginBatch(at, count);
      const { byteTask } = this;
      // Checked, since a number in scribbled memory may not belong to any target.
      const code = type === BYTES && this.words[at >> 2] === this.target && byteTask !== undefined
        ? this.runBytes(at, length, byteTask)
        : this.receiver.dispatch(this, at, length, type);
      if (code !== OK) {
        consumer.putBack();
        turn.hold(this, code);
        break;
      }
      if (type === BATCH) {
        const { record } = this;
        const steps = record.steps - count;
        count = record.steps;
        if (record.isUnfinished) {
          further -= steps;
          consumer.putBack();
          hasMore = true;
          break;
        }
        further += record.messages - steps;
        consumer.advance();
        hasMore = consumer.hasSeenMore();
        // Its steps are few and long, so the clock is read after each.
        if (!hasMore || count >= QUANTUM || turn.mustEndQuantum(this.band, count) || turn.isTimeUp()) break;
        continue;
      }
      consumer.advance();
      count++;
      // It does not look at the producer's cursor: native code looks at all lanes together, and what was just sent goes
      // first.
      hasMore = consumer.hasSeenMore();
      if (!hasMore || count >= QUANTUM || turn.mustEndQuantum(this.band, count)) break;
    }
    // What the steps sent goes out before the room of what they read is given back: somebody waits for an answer, but
    // rarely for room.
    const messages = count - this.heard;
    this.heard = 0;
    const { counters } = turn;
    // Two plain stores side by side: no thread ends between them, so what is counted is known exactly. They come before
    // the answers are published: whoever has an answer may ask for the figures.
    counters[RECEIVED]! += messages + further;
    this.words[COUNTED] = this.words[TAKEN]!;
    const { watch } = turn;
    if (watch !== undefined && hasSample(this.words, this.sampled)) {
      this.sampled = watch.take(this.number, this.times, this.words, this.words[TAKEN]!, this.sampled);
    }
    turn.endQuantum(this.band, messages);
    consumer.publishRelease();
    return hasMore;
  }

  /** A NAME record: from now on its number stands for this name here. */
  hear(at: number, length: number): void {
    const number = this.words[at >> 2]!;
    const text = this.buffer.toString('utf16le', at + HEAD_BYTES, at + length);
    this.names[number] = new HeardName(text);
    if (this.target === number) this.target = -1;
    this.heard++;
    if (this.onName !== undefined) this.onName(this.number, number, text);
    this.consumer.begin();
  }

  /** From now on records of bytes for the name `target` run without asking the receiver. */
  learn(target: number, task: ByteTask): void {
    this.target = target;
    this.byteTask = task;
  }

  /** That task has ended: the receiver decides about the next record for its name. */
  forget(task: ByteTask): void {
    if (this.byteTask !== task) return;
    this.byteTask = undefined;
    this.target = -1;
  }

  /** Runs a task of bytes on the record where it lies. */
  runBytes(at: number, length: number, task: ByteTask): number {
    this.record.offset = at + HEAD_BYTES;
    this.record.length = length - HEAD_BYTES;
    const code = this.turn.steps.run(task, this.record, this.from, this.band);
    if (code === OK) task.steps++;
    return code;
  }

  /** Tells whoever takes the batch at `at` how much of this quantum is left. */
  private beginBatch(at: number, steps: number): void {
    const { record } = this;
    record.messages = this.words[(at >> 2) + 1]!;
    record.steps = steps;
    record.isUnfinished = false;
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
