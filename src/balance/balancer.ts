/** Keeps the reactors of a runtime equally busy by moving buckets: on the main thread, off the hot path. */
import { checkInteger, checkOneOf, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { BUCKETS, partyLayout } from '../layout.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, partyCounters, type Controller } from '../reactor/internal.js';
import { movesOf, type BucketMoves } from './moves.js';
import { planMoves } from './plan.js';

const BUSY_NS = partyLayout.fields.busyNs.at >> 3;

export interface BalancerOptions {
  /** Milliseconds between two looks: 1 to 2^31 - 1, default 100. */
  readonly everyMs?: number;
  /**
   * Buckets move once the busiest reactor is busier than the idlest by more than this part of their mean: above 0, at
   * most 10. Default 0.1.
   */
  readonly hysteresis?: number;
  /** Most buckets that one look moves: 0 (it only measures and adopts) to 1,024, default 16. */
  readonly mostMoves?: number;
  /** How many milliseconds a bucket that has moved stays where it is: 0 to 2^31 - 1, default 1,000. */
  readonly restMs?: number;
  /** Nothing moves while the busiest reactor is busy for at most this part of the time: 0 to 1, default 0.1. */
  readonly leastBusy?: number;
  /** What happens to the buckets of a reactor that dies: 'move' to the living (default), or 'stay'. */
  readonly onDeath?: 'move' | 'stay';
}

/** What a balancer has done and measured. */
export interface BalancerStatus {
  /** Moves that ended with another owner, including those that `move`, `pin` and `moveAllBuckets` asked for. */
  readonly moved: number;
  /** Stages of buckets whose owner had died. */
  readonly adopted: number;
  /** Moves that did not come about: a hook threw or was late, or the state did not fit. */
  readonly failed: number;
  /** Under way now. */
  readonly moving: number;
  /** Milliseconds from the last message that the old owner ran until the bucket belonged to the new one. */
  readonly pauseMs: { readonly p50: number; readonly max: number };
  /** Messages that senders have held because their bucket was moving. */
  readonly held: number;
  /** Messages to buckets that deaths have lost: not published, or not read by the owner that died. */
  readonly lost: number;
  /** For each reactor: the part of the last interval in which it was busy, 0 to 1. */
  readonly busy: readonly number[];
  /** For each reactor: how many buckets it owns. */
  readonly buckets: readonly number[];
  /** Pinned buckets, and the reactor of each. */
  readonly pinned: ReadonlyMap<number, number>;
}

/** Made by `createBalancer`. Its methods belong to the main thread; none blocks. */
export class Balancer {
  readonly #moves: BucketMoves;
  readonly #controller: Controller;
  readonly #options: Required<BalancerOptions>;
  readonly #restsUntilMs = new Float64Array(BUCKETS);
  readonly #busyBefore: Float64Array;
  readonly #bucketsBefore = new Float64Array(BUCKETS);
  /** The part of the time that each bucket takes: half from the last interval, half from those before it. */
  readonly #loads = new Float64Array(BUCKETS);
  readonly #timer: NodeJS.Timeout;
  #busy: number[];
  #lookedMs = performance.now();

  /** Made by `createBalancer`. */
  constructor(runtime: Runtime, options: BalancerOptions) {
    const known = ['everyMs', 'hysteresis', 'mostMoves', 'restMs', 'leastBusy', 'onDeath'];
    const given = checkOptions('options', options, known);
    this.#options = {
      everyMs: checkInteger('everyMs', given.everyMs ?? 100, 1, 2 ** 31 - 1),
      hysteresis: checkPart('hysteresis', given.hysteresis ?? 0.1, Number.MIN_VALUE, 10),
      mostMoves: checkInteger('mostMoves', given.mostMoves ?? 16, 0, BUCKETS),
      restMs: checkInteger('restMs', given.restMs ?? 1000, 0, 2 ** 31 - 1),
      leastBusy: checkPart('leastBusy', given.leastBusy ?? 0.1, 0, 1),
      onDeath: checkOneOf('onDeath', given.onDeath ?? 'move', ['move', 'stay']),
    };
    this.#controller = controllerOf(runtime);
    this.#moves = movesOf(this.#controller);
    const { reactors } = this.#controller.shared;
    this.#busyBefore = new Float64Array(reactors);
    this.#busy = Array.from({ length: reactors }, () => 0);
    this.#measure();
    this.#timer = setInterval(() => this.#look(), this.#options.everyMs).unref();
  }

  /**
   * Moves a bucket with its messages and its state. Resolves when it has arrived: with true, or with false if it was
   * there before. Rejects with what a hook threw; with ERR_PERCORE_NO_TASK, _TOO_LARGE or _UNSERIALIZABLE (its state),
   * _REACTOR_DIED (the new owner), _TIMEOUT (the promise of a hook, see `hookTimeoutMs` of `createKeyed`); or with
   * _INVALID_ARGUMENT if it is pinned elsewhere or that reactor is not started. Then it stays where it was.
   */
  async move(bucket: number, to: number): Promise<boolean> {
    this.#check(bucket, to);
    const pinned = this.#moves.pins.of(bucket);
    if (pinned !== undefined && pinned !== to) {
      throw invalidArgument('to', to, `${pinned}, where bucket ${bucket} is pinned, until unpin(${bucket})`);
    }
    return this.#move(bucket, to);
  }

  /**
   * Moves a bucket as `move` does, and keeps it there: it does not move again until `unpin`, unless that reactor dies.
   * If the move fails, the bucket is pinned as it was before, or not at all.
   */
  async pin(bucket: number, reactor: number): Promise<boolean> {
    this.#check(bucket, reactor);
    const { kept, failed } = this.#moves.pins.set(bucket, reactor);
    try {
      const hasMoved = await this.#move(bucket, reactor);
      kept();
      return hasMoved;
    } catch (error) {
      failed();
      throw error;
    }
  }

  /** Lets the bucket move again. False if it was not pinned. */
  unpin(bucket: number): boolean {
    checkInteger('bucket', bucket, 0, BUCKETS - 1);
    return this.#moves.pins.delete(bucket);
  }

  /** A fresh object. Reads shared memory; allocates. */
  status(): BalancerStatus {
    const { moved, adopted, failed, count, pauses, room } = this.#moves;
    const buckets = this.#busy.map(() => 0);
    for (let bucket = 0; bucket < BUCKETS; bucket++) buckets[this.#moves.ownerOf(bucket)]!++;
    const { figures } = room.table;
    return {
      moved, adopted, failed, moving: count,
      pauseMs: { p50: pauses.percentile(0.5) / 1e6, max: pauses.max() / 1e6 },
      held: figures.reduce((sum, { held }) => sum + held, 0),
      lost: figures.reduce((sum, { lost }) => sum + lost, 0),
      busy: [...this.#busy], buckets, pinned: this.#moves.pins.all(),
    };
  }

  /** Ends it. Moves that are under way go on. A runtime that closes ends its balancer by itself. */
  close(): void {
    clearInterval(this.#timer);
  }

  #check(bucket: number, reactor: number): void {
    checkInteger('bucket', bucket, 0, BUCKETS - 1);
    checkInteger('reactor', reactor, 0, this.#busy.length - 1);
    if (this.#controller.closing === undefined) return;
    throw new PercoreError('ERR_PERCORE_CLOSED', 'the runtime is closed, and no bucket moves any more');
  }

  #move(bucket: number, to: number): Promise<boolean> {
    this.#restsUntilMs[bucket] = performance.now() + this.#options.restMs;
    return this.#moves.move(bucket, to);
  }

  #look(): void {
    if (this.#controller.closing !== undefined) return this.close();
    this.#measure();
    const living = this.#moves.takers();
    const isSomeDead = [...this.#busy.keys()].some((reactor) => this.#moves.isDead(reactor));
    if (isSomeDead && this.#options.onDeath === 'move') this.#adopt(living);
    const now = performance.now();
    const owners = Array.from({ length: BUCKETS }, (_, bucket) => this.#moves.ownerOf(bucket));
    const plan = planMoves({
      busy: this.#busy, buckets: this.#loads, owners, reactors: living,
      stays: (bucket) => this.#moves.pins.of(bucket) !== undefined || this.#restsUntilMs[bucket]! > now,
    }, this.#options);
    for (const { bucket, to } of plan) this.#tryToMove(bucket, to);
  }

  /** Gives the buckets of the dead to the living, in turn. */
  #adopt(living: readonly number[]): void {
    if (living.length === 0) return;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (!this.#moves.isOrphan(bucket) || this.#moves.isUnderWay(bucket)) continue;
      this.#moves.pins.delete(bucket);
      this.#tryToMove(bucket, living[bucket % living.length]!);
    }
  }

  /** A move that fails is counted, rests for a while, and is tried again. */
  #tryToMove(bucket: number, to: number): void {
    this.#move(bucket, to).catch(() => undefined);
  }

  #measure(): void {
    const now = performance.now();
    const elapsedNs = Math.max(1, (now - this.#lookedMs) * 1e6);
    this.#lookedMs = now;
    for (const reactor of this.#busy.keys()) {
      const busyNs = partyCounters(this.#controller.shared.inboxes[reactor]!)[BUSY_NS]!;
      this.#busy[reactor] = Math.min(1, (busyNs - this.#busyBefore[reactor]!) / elapsedNs);
      this.#busyBefore[reactor] = busyNs;
    }
    const { figures } = this.#moves.room.table;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      let busyNs = 0;
      for (const party of figures) busyNs += party.busyNs[bucket]!;
      const load = (busyNs - this.#bucketsBefore[bucket]!) / elapsedNs;
      this.#bucketsBefore[bucket] = busyNs;
      this.#loads[bucket] = (this.#loads[bucket]! + load) / 2;
    }
  }
}

/**
 * Measures how busy each reactor and each bucket is, and moves buckets from the busiest reactor to the idlest, as few
 * as are needed. Only messages sent through `keyedAddress` follow their bucket. It looks every `everyMs`, by a timer
 * that does not keep the program running; between two looks it costs only the timing of one step in sixteen. Main
 * thread only. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const balancer = createBalancer(runtime, { everyMs: 50 });
 *     await balancer.pin(bucketOf(hashKey(Buffer.from('EURUSD'))), 1);
 *     console.log(balancer.status().busy, balancer.status().pauseMs.max);
 */
export function createBalancer(runtime: Runtime, options: BalancerOptions = {}): Balancer {
  return new Balancer(runtime, options);
}

/**
 * Moves all buckets of a reactor to the other living ones, in turn, or to `to`: before that reactor is drained, stopped
 * or taken away, or after its death. Once no bucket is left, resolves with how many have moved; rejects with the first
 * failure, after the others have ended. Pins do not hold buckets back. Main thread only. Throws
 * ERR_PERCORE_INVALID_ARGUMENT.
 */
export async function moveAllBuckets(
  runtime: Runtime, from: number, options: { readonly to?: readonly number[] } = {},
): Promise<number> {
  const moves = movesOf(controllerOf(runtime));
  checkInteger('from', from, 0, runtime.reactors - 1);
  const { to } = checkOptions('options', options, ['to']);
  const targets = (to ?? moves.takers())
    .filter((reactor) => checkInteger('to', reactor, 0, runtime.reactors - 1) !== from && !moves.isDead(reactor));
  if (targets.length === 0) throw invalidArgument('to', to, `another reactor than ${from} that lives`);
  return moves.empty(from, targets);
}

function checkPart(argument: string, value: number, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw invalidArgument(argument, value, `a number ${least === 0 ? 'from 0' : 'above 0'} to ${most}`);
}
