/** Buckets for programs that pack messages of several keys into one record, and so send and count by themselves. */
import { checkFunction, checkInteger, checkOptions } from '../errors.js';
import { BANDS, BUCKETS } from '../layout.js';
import type { Reactor } from '../reactor/index.js';
import { checkName, partyOf } from '../reactor/internal.js';
import { BusySample } from './busy-sample.js';
import { checkHookTimeout, checkStage, type KeyedOptions } from './keyed.js';
import { roomOf, type KeyRoom } from './room.js';

const ALL_BANDS = 2 ** BANDS - 1;

/** See KeyedOptions; `stage` is 0 if left out. */
export type BucketsOptions<S = unknown> = Omit<KeyedOptions<S>, 'priority'>;

/**
 * What `createBuckets` returns: the counts by which a bucket moves without loss, in the program's own hands. None of
 * its methods blocks, and only `whenSettled` allocates. They check nothing, since they are called for each message: a
 * bucket is a whole number from 0 to 1,023.
 */
export class Buckets {
  readonly #room: KeyRoom;
  readonly #busy: BusySample;
  /** The first slot of its stage. */
  readonly #base: number;

  /** Made by `createBuckets`. */
  constructor(room: KeyRoom, stage: number) {
    this.#room = room;
    this.#base = stage * BUCKETS;
    this.#busy = new BusySample(room);
  }

  /**
   * Counts one message of the bucket as sent, and returns the reactor to which it must be sent. Returns -1 while the
   * bucket moves; then the message is not counted. A counted message must be sent in the same turn, or given back by
   * `leave`.
   */
  enter(bucket: number): number {
    return this.#room.enter(this.#base + bucket);
  }

  /** A message that was counted was not sent after all. */
  leave(bucket: number): void {
    this.#room.leave(this.#base + bucket);
  }

  /**
   * Calls `then` once, in a later turn, when the bucket has a living owner. Those who wait are called in the order in
   * which they came.
   */
  whenSettled(bucket: number, then: () => void): void {
    checkInteger('bucket', bucket, 0, BUCKETS - 1);
    checkFunction('then', then);
    this.#room.whenSettled(this.#base + bucket, then);
  }

  /** The owner begins to work on a message; `took` ends it. The balancer samples the time between the two. */
  begin(): void {
    this.#busy.begin();
  }

  /** The owner has worked on one message of the bucket, which party `from` sent. */
  took(from: number, bucket: number): void {
    this.#busy.end(bucket);
    this.#room.took(from, this.#base + bucket);
  }
}

/**
 * Takes part in moving buckets under `options.name`, as `createKeyed` does, for a program that packs messages of
 * several keys into one record. The program does in its own tasks what keyed tasks do: each sender calls `enter` for
 * each message, and the owner calls `took` after each. Make it in the synchronous part of the entry of every reactor.
 *
 *     const buckets = createBuckets(reactor, { name: 'lines', onBucketLeaves, onBucketArrives });
 *     const owner = buckets.enter(bucket);                                 // in the sender, for each line
 *     if (owner < 0) return buckets.whenSettled(bucket, retry);
 *     lanes[owner].put(line);
 *     buckets.begin(); work(line); buckets.took(record.from, bucket);      // in the owner's step, for each line
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT, or ERR_PERCORE_CLOSED.
 */
export function createBuckets<S = unknown>(reactor: Reactor, options: BucketsOptions<S>): Buckets {
  const known = ['name', 'stage', 'onBucketLeaves', 'onBucketArrives', 'hookTimeoutMs'];
  const { name, stage = 0, onBucketLeaves, onBucketArrives, hookTimeoutMs } = checkOptions('options', options, known);
  checkName('name', name);
  if (onBucketLeaves !== undefined) checkFunction('onBucketLeaves', onBucketLeaves);
  if (onBucketArrives !== undefined) checkFunction('onBucketArrives', onBucketArrives);
  checkInteger('reactor', partyOf(reactor).id, 0, reactor.reactors - 1);
  const room = roomOf(reactor);
  const arrives = onBucketArrives as KeyedOptions['onBucketArrives'];
  room.add({
    name, stage: checkStage(stage), hookTimeoutMs: checkHookTimeout(hookTimeoutMs), onBucketLeaves,
    onBucketArrives: arrives,
  });
  // The program itself decides which lanes it sends through.
  room.table.figures[partyOf(reactor).id]!.useBands(stage, ALL_BANDS);
  return new Buckets(room, stage);
}
