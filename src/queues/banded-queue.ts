/**
 * A queue with priorities: eight rings, one for each band, and a word with a bit for each band that may hold records.
 *
 *   producer --band 7--> |=>   |       ready: 1 0 0 0 1 0 0 0
 *            --band 3--> |====>|              ^       ^
 *                                      consumer takes the highest band first
 *
 * The bit is a hint that errs on one side only: if it is clear, the band is empty. The producer publishes, and then
 * sets the bit if it is clear. The consumer clears the bit when the band looks empty, and then looks once more (as in
 * Dekker's algorithm; `group.ready` in group.ts).
 *
 * Source: the ready bitmap of classic O(1) schedulers, here with one bit for each ring, set by another core.
 */
import { checkFunction, checkInteger, invalidArgument } from '../errors.js';
import { BANDS } from '../layout.js';
import { limitOf } from './copy-bytes.js';
import { ARM, LINK_FROM, ON_PUBLISH, SHAPE, WISH } from './doors.js';
import type { FixedConsumer, FixedProducer } from './fixed-records.js';
import { GROUP_BELL, IS_CLOSING, READY, type Group } from './group.js';
import type { LinkFrom, LinkableFrom, Linked, RecordShape } from './link-ends.js';
import type { LossyConsumer } from './lossy-consumer.js';
import { mostRecords } from './memory.js';
import { CLOSED, EMPTY, EVICTED, OK, type ResultCode } from '../result-codes.js';
import type { VariableConsumer } from './variable-consumer.js';
import type { VariableProducer } from './variable-records.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';
import { ringBell, waitAsync, waitBlocking, type Wish } from './event-count.js';

const ALL_BANDS = (1 << BANDS) - 1;

/** The producer of one band: of fixed or of variable records. */
export type BandProducer = FixedProducer | VariableProducer;
/** The consumer of one band: of fixed or of variable records, or one that may be lapped. */
export type BandConsumer = FixedConsumer | VariableConsumer | LossyConsumer;

/**
 * The producing end of a banded queue. It belongs to one thread at a time; nothing blocks except what says so.
 *
 *     const producer = pub(create({ kind: 'banded', capacityBytes: 2 ** 16 }));
 *     producer.offer(alarm, 7);                                // read before anything of the bands below
 *     producer.band(0).offer(log);                             // the producer of one band does the same
 */
export class BandedProducer<P extends BandProducer = BandProducer> {
  private readonly producers: readonly P[];
  private hasLeft = false;

  constructor(private readonly group: Group, producers: readonly P[]) {
    this.producers = producers;
    producers.forEach((producer, band) => {
      producer[ON_PUBLISH](() => this.raise(1 << band));
    });
  }

  /**
   * The producer of one band, from 0 (low) to 7 (high), with its own `tryClaim`, `commit`, `offer` and `room`. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for a band that does not exist.
   */
  band(band: number): P {
    return typeof band === 'number' ? (this.producers[band] ?? this.refuse(band)) : this.refuse(band);
  }

  /** Copies one record into a band, with the results of `offer` of a single ring. */
  offer(record: Uint8Array, band: number): ResultCode {
    return this.band(band).offer(record);
  }

  /** Publishes what is committed in every band, high bands first. Returns OK, or CLOSED if any band is closed. */
  flush(): ResultCode {
    let code: ResultCode = OK;
    for (let band = BANDS - 1; band >= 0; band--) if (this.producers[band]!.flush() === CLOSED) code = CLOSED;
    return code;
  }

  /** Declares that no record will follow: the consumer reads all bands and then gets CLOSED. */
  close(): void {
    // The place may belong to another producer by now, whose queue goes on.
    if (this.hasLeft) return;
    this.hasLeft = true;
    for (const producer of this.producers) producer.close();
    // group.close: stored after every band is sealed, so that a consumer which finds this finds all bands ended.
    Atomics.store(this.group.words, IS_CLOSING, 1);
    ringBell(this.group.words, GROUP_BELL);
  }

  /** Publishes what is committed and gives the place up. Another `pub` may go on where this producer stopped. */
  leave(): void {
    this.hasLeft = true;
    for (const producer of this.producers) producer.leave();
  }

  private raise(bit: number): void {
    // group.ready: the band's cursor is stored, so now look at its bit. Pairs with hasRecords(), which clears the bit
    // and then looks at the cursor.
    if ((Atomics.load(this.group.words, READY) & bit) === 0) Atomics.or(this.group.words, READY, bit);
  }

  private refuse(band: number): never {
    throw invalidArgument('band', band, `a whole number from 0 to ${BANDS - 1}`);
  }
}

type Handler = (view: DataView, offset: number, length: number, type: number, band: number) => void;

/** Returns the quantum that was asked for. Throws unless it is a whole number from 0 to 2^30. */
export const checkQuantum = (quantum = 0): number => checkInteger('quantum', quantum, 0, 2 ** 30);

/**
 * The consuming end of a banded queue. It belongs to one thread at a time; nothing blocks except what says so.
 *
 *     const consumer = sub(queue, { quantum: 100 });           // after 100 records a lower band has its turn
 *     consumer.drain((view, offset, length, type, band) => handle(band, view, offset, length));
 */
export class BandedConsumer<C extends BandConsumer = BandConsumer> implements LinkFrom, LinkableFrom {
  /** The band of the record that `poll` returned last, or of the ring that `select` did. */
  band = 0;
  private readonly quantum: number;
  /** How many records all bands together can hold. */
  private readonly most: number;
  /** How many records were taken from the highest band since a waiting lower band last had its turn. */
  private run = 0;
  /** The search for the next low band to have its turn begins below this band. */
  private lastLow = 0;
  /** This end has left or closed, so the bits belong to another consumer. */
  private isOver = false;

  constructor(private readonly group: Group, private readonly consumers: readonly C[], quantum: number) {
    this.quantum = quantum;
    this.most = Math.min(0x7fffffff, BANDS * mostRecords(this[SHAPE]));
    // group.ready: a consumer that was evicted from a band may have cleared its bit although the band holds records,
    // which are ours now. A bit too many costs only one look.
    Atomics.or(group.words, READY, ALL_BANDS);
  }

  /** The shape of the records in its bands. */
  get [SHAPE](): RecordShape {
    return this.consumers[0]![SHAPE];
  }

  [LINK_FROM](): Linked<LinkFrom> {
    return { end: this };
  }

  /** How many records were lost in all bands, if this consumer's policy may lose any. */
  get lost(): number {
    return this.consumers.reduce((sum, consumer) => sum + consumer.lost, 0);
  }

  /**
   * Calls `handler(view, offset, length, type, band)` for up to `limit` records in place (as many as the queue holds,
   * if left out), highest band first. Before each run of at most 64 records it looks again for higher bands. Returns
   * how many there were, 0 when empty, CLOSED when none will follow, and EVICTED when the producer has evicted this
   * consumer from a band. Delivery is at most once, as in a single ring. Do not keep `offset` beyond the call.
   */
  drain(handler: Handler, limit = this.most): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    let total = 0;
    while (total < limit) {
      const consumer = this.select();
      if (consumer === null) break;
      const { band } = this;
      const count = consumer.drain(
        (view: DataView, offset: number, length: number, type: number) => handler(view, offset, length, type, band),
        Math.min(limit - total, this.share()),
      );
      if (count <= 0) continue;
      total += count;
      this.count(band, count);
    }
    return total > 0 ? total : this.atEmpty();
  }

  /**
   * The ring to read from now: that of the highest band with records, or that of a lower band whose turn it is. Null
   * when all are empty. Delivery is at least once through the ring's own `peek`. Only `drain` and `poll` count the
   * turns of low bands.
   */
  select(): C | null {
    if (this.isOver) return null;
    // group.ready: pairs with raise(). There are no other bands, whatever else stands in the word.
    for (let ready = Atomics.load(this.group.words, READY) & ALL_BANDS; ready !== 0;) {
      const highest = 31 - Math.clz32(ready);
      ready &= ~(1 << highest);
      if (!this.hasRecords(highest)) continue;
      this.band = this.quantum > 0 && this.run >= this.quantum ? this.lowTurn(ready, highest) : highest;
      return this.consumers[this.band]!;
    }
    return null;
  }

  /** Copies one record out and sets `band`; EMPTY, CLOSED or EVICTED when there is none. Allocates the copy. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED | typeof EVICTED {
    const consumer = this.select();
    // Not look(), which would answer OK for a record that comes just now.
    if (consumer === null) return (this.atEmpty() || EMPTY) as typeof EMPTY;
    this.count(this.band, 1);
    return consumer.poll();
  }

  /**
   * OK when a record can be read; EMPTY; CLOSED when none will follow; or EVICTED, by one of the bands. Takes nothing
   * and does not block.
   */
  look(): ResultCode {
    return this.select() === null ? ((this.atEmpty() || EMPTY) as ResultCode) : OK;
  }

  /**
   * Resolves OK when a record can be read, and CLOSED (or EVICTED) when none will be. Rejects with `signal.reason` when
   * `signal` aborts, and with ERR_PERCORE_TIMEOUT after `timeoutMs`.
   */
  ready(options?: WaitOptions): Promise<ResultCode> {
    this.publishRelease();
    return waitAsync(this[WISH](), options);
  }

  /** As `ready`, but freezes the thread; a reactor may not call it. Returns EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    this.publishRelease();
    return waitBlocking(this[WISH](), options);
  }

  /** Gives back what was read in each band, so that no producer waits for a consumer that waits for it. */
  private publishRelease(): void {
    for (const consumer of this.consumers) consumer.publishRelease();
  }

  /** What `ready` waits for: a record in any band. */
  [WISH](): Wish {
    return {
      bellWords: this.group.words, bell: GROUP_BELL, notYet: EMPTY, look: () => this.look(),
      arm: () => {
        for (const consumer of this.consumers) consumer[ARM]();
      },
    };
  }

  /** Gives the place up. Another `sub` goes on where this consumer stopped. Do not use the consumer afterwards. */
  leave(): void {
    this.isOver = true;
    for (const consumer of this.consumers) consumer.leave();
  }

  /** Declares that nobody will read any more: the producer gets CLOSED. */
  close(): void {
    this.isOver = true;
    for (const consumer of this.consumers) consumer.close();
  }

  /** True if a band has records; clears its bit if not. */
  private hasRecords(band: number): boolean {
    const consumer = this.consumers[band]!;
    if (consumer.look() === OK) return true;
    // group.ready: clear the bit, then look again. Pairs with raise().
    Atomics.and(this.group.words, READY, ~(1 << band));
    if (consumer.look() !== OK) return false;
    Atomics.or(this.group.words, READY, 1 << band);
    return true;
  }

  /**
   * The low band whose turn it is: bands have turns downwards, then from the top again. `highest` when no lower band
   * has records.
   */
  private lowTurn(lower: number, highest: number): number {
    for (let ready = lower; ready !== 0;) {
      const below = ready & ((1 << this.lastLow) - 1);
      const band = 31 - Math.clz32(below === 0 ? ready : below);
      if (this.hasRecords(band)) return band;
      ready &= ~(1 << band);
    }
    return highest;
  }

  /** How many records of the chosen band may be taken before the next look for higher bands. */
  private share(): number {
    if (this.quantum === 0) return 64;
    return this.run < this.quantum ? Math.min(64, this.quantum - this.run) : 1;
  }

  /** Notes that `records` records of `band` were taken, for the turns of low bands. */
  private count(band: number, records: number): void {
    if (this.quantum === 0) return;
    if (this.run >= this.quantum) {
      this.run = 0;
      this.lastLow = band;
    } else {
      this.run += records;
    }
  }

  /**
   * Nothing was found. Returns 0; CLOSED when nothing will follow; or EVICTED when the producer has evicted us from a
   * band.
   */
  private atEmpty(): number {
    if (this.isOver) return CLOSED;
    // group.close: pairs with close() of the producer and closeGroup().
    const isClosing = Atomics.load(this.group.words, IS_CLOSING) === 1;
    let open = 0;
    for (const consumer of this.consumers) {
      const code = consumer.look();
      if (code === EVICTED) return EVICTED;
      if (code !== CLOSED) open++;
    }
    return isClosing && open === 0 ? CLOSED : 0;
  }
}
