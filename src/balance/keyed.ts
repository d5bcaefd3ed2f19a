/** Keyed tasks: they run for messages that go to the owner of their key, wherever that is by then. */
import { checkFunction, checkInteger, checkOptions, PercoreError } from '../errors.js';
import { BUCKETS, SLOTS, STAGES } from '../layout.js';
import { AGAIN, BACK_PRESSURED } from '../queues/index.js';
import { ValueCodec } from '../queues/internal.js';
import type { ByteRecord, Reactor } from '../reactor/index.js';
import { checkBand, checkName, LocalTask, partyOf, type ByteTask } from '../reactor/internal.js';
import { BusySample } from './busy-sample.js';
import { DEFAULT_HOOK_TIMEOUT_MS, type BucketKeeper } from './hooks.js';
import { roomOf, type KeyRoom } from './room.js';

/** Bytes before the message: its slot, and padding. */
export const BUCKET_BYTES = 8;

export interface KeyedOptions<S = unknown> {
  /** Unique among the tasks and handlers of this reactor, at most 256 letters; the same in every reactor. */
  readonly name: string;
  /** Band of addresses that this thread makes without naming one: 0 low to 7 high. Default 3. */
  readonly priority?: number;
  /**
   * The stage of the work, 0 to 7, if it is not `priority`. Keyed tasks of one stage move together, and their steps
   * must not wait for each other: whatever a step waits for needs another stage.
   */
  readonly stage?: number;
  /**
   * The bucket leaves this reactor, and all its messages have run. Returns what belongs to the bucket, which is copied
   * to its new owner, and forgets it. If the new owner cannot take the bucket, `onBucketArrives` gets the same value
   * back. Runs between two steps. A promise makes the bucket wait, for what it has sent to be taken, for example. If
   * the hook throws or rejects, the bucket stays here. If the promise settles after `hookTimeoutMs`, `onBucketArrives`
   * gets its state back.
   */
  readonly onBucketLeaves?: (bucket: number) => S | Promise<S>;
  /**
   * The bucket belongs to this reactor from now on, and none of its messages has run here since. `state` is what the
   * old owner's hook returned; undefined if the old owner died or has no hook. Not called for the buckets that a
   * reactor owns from the start. A promise makes the bucket wait: its first message runs when it has resolved. If the
   * hook throws or rejects, the bucket goes back.
   */
  readonly onBucketArrives?: (bucket: number, state: S | undefined) => void | Promise<void>;
  /**
   * How long a promise of a hook may hold up a move: 1 to 2^31 - 1 ms, default 30,000. After that the bucket stays
   * where it was, the move rejects with ERR_PERCORE_TIMEOUT, and until the promise settles the bucket does not move
   * again from or to this reactor. The same limit holds for its messages: if none of them has run for so long, because
   * a step returns AGAIN each time, for example, the bucket stays and the move rejects.
   */
  readonly hookTimeoutMs?: number;
}

/** What a step is told about its message. It is the same object each time, valid only during the step. */
export interface KeyedContext {
  /** The bucket of the message's key, 0 to 1,023. */
  readonly bucket: number;
  /** The party that sent it; the main thread comes after the last reactor. */
  readonly from: number;
  /** The band it was sent in. */
  readonly priority: number;
}

/**
 * Runs to completion for each message. It may return what the step of a task may, except a promise: the next message of
 * the key would not wait for it, and the bucket could leave in the middle.
 */
export type KeyedStep<M> = (message: M, context: KeyedContext) => number | void;

/** What `createKeyed` returns. */
export interface Keyed {
  /** The name that `keyedAddress` is given. */
  readonly name: string;
}

class KeyedTask<M> implements BucketKeeper {
  readonly onBucketLeaves: ((bucket: number) => unknown) | undefined;
  readonly onBucketArrives: ((bucket: number, state: unknown) => unknown) | undefined;
  readonly hookTimeoutMs: number;
  private readonly codec = new ValueCodec();
  private readonly context = { bucket: 0, from: 0, priority: 0 };
  private readonly busy: BusySample;

  constructor(
    readonly name: string, readonly stage: number, private readonly room: KeyRoom, options: KeyedOptions,
    private readonly step: KeyedStep<M>,
  ) {
    this.onBucketLeaves = options.onBucketLeaves;
    this.onBucketArrives = options.onBucketArrives;
    this.hookTimeoutMs = checkHookTimeout(options.hookTimeoutMs);
    this.busy = new BusySample(room);
  }

  /** Runs the step on a record. A record that is kept runs again, and is counted when it is taken. */
  readonly run = (record: ByteRecord): number | void => {
    const { context, room, busy } = this;
    const { offset, from } = record;
    const slot = record.words[offset >> 2]!;
    const bucket = slot & (BUCKETS - 1);
    // Somebody has sent it by other means, or in another stage.
    if (record.length < BUCKET_BYTES || slot - bucket !== this.stage * BUCKETS) {
      if (slot >= 0 && slot < SLOTS) room.took(from, slot);
      throw notKeyed(this.name, from, slot);
    }
    context.bucket = bucket;
    context.from = from;
    context.priority = record.priority;
    let code: number | void;
    busy.begin();
    try {
      const message = this.codec.read(record, offset + BUCKET_BYTES, record.length - BUCKET_BYTES);
      // A message is what its sender says it is, as everywhere.
      code = this.step(message as M, context);
    } catch (error) {
      room.took(from, slot);
      throw error;
    }
    if (code === BACK_PRESSURED || code === AGAIN) return code;
    busy.end(bucket);
    room.took(from, slot);
    return code;
  };
}

/**
 * Makes the keyed task `name` of this reactor: `step` runs for each message that is sent to it by a key whose bucket
 * this reactor owns. A bucket may move to another reactor at any time, with the state that the hooks hand over. The
 * messages of one key, sent through one address, run in the order in which they were sent, before and after the move.
 * Make it in the synchronous part of the entry of every reactor. Only the reactor's own thread may call it. It does not
 * block; a message allocates what its value does.
 *
 *     const books = new Map<number, Map<string, Book>>();                 // by bucket, then by key
 *     createKeyed<Order>(reactor, {
 *       name: 'orders',
 *       onBucketLeaves: (bucket) => { const state = books.get(bucket); books.delete(bucket); return state; },
 *       onBucketArrives: (bucket, state) => { if (state !== undefined) books.set(bucket, state); },
 *     }, (order, { bucket }) => bookOf(bucket, order.symbol).add(order));
 *     keyedAddress<Order>(reactor, 'orders').send(order.symbol, order);
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT, _NAME_TAKEN or _CLOSED. Source of the idea: the virtual buckets of Dynamo, and
 * the hand-over of shards in Akka Cluster Sharding.
 */
export function createKeyed<M = unknown, S = unknown>(
  reactor: Reactor, options: KeyedOptions<S>, step: KeyedStep<M>,
): Keyed {
  const known = ['name', 'priority', 'stage', 'onBucketLeaves', 'onBucketArrives', 'hookTimeoutMs'];
  const { name, priority, stage, onBucketLeaves, onBucketArrives } = checkOptions('options', options, known);
  checkName('name', name);
  checkFunction('step', step);
  if (onBucketLeaves !== undefined) checkFunction('onBucketLeaves', onBucketLeaves);
  if (onBucketArrives !== undefined) checkFunction('onBucketArrives', onBucketArrives);
  const { turn, dispatcher, id, shared } = partyOf(reactor);
  checkInteger('reactor', id, 0, shared.reactors - 1);
  const room = roomOf(reactor);
  const band = checkBand(priority);
  const keeper = new KeyedTask<M>(name, checkStage(stage ?? band), room, options as KeyedOptions, step);
  const bounds = { name, band, capacity: 1, concurrency: Infinity, takesBytes: true } as const;
  const task: ByteTask = new LocalTask(turn, bounds, keeper.run);
  dispatcher.addTask(task);
  room.add(keeper);
  return { name };
}

export const checkStage = (stage: number): number => checkInteger('stage', stage, 0, STAGES - 1);

/** Milliseconds. */
export const checkHookTimeout = (given = DEFAULT_HOOK_TIMEOUT_MS): number =>
  checkInteger('hookTimeoutMs', given, 1, 2 ** 31 - 1);

function notKeyed(name: string, from: number, slot: number): PercoreError {
  const message = `party ${from} has sent a message to keyed task "${name}" without a key, or in stage `
    + `${Math.floor(slot / BUCKETS)}; use keyedAddress, with the task's own stage`;
  return new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', message, { argument: 'name', value: name });
}
