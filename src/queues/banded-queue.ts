/**
 * A queue with priorities: eight rings, one a band, and a word with a bit for each band that may hold records.
 *
 *   producer --band 7--> |=>   |       ready: 1 0 0 0 1 0 0 0
 *            --band 3--> |====>|              ^       ^
 *                                      consumer takes the highest first
 *
 * The bit is a hint that errs on one side only: a band with a clear bit is empty. The producer publishes, then sets the
 * bit if it is clear; the consumer clears it when the band looks empty, then looks once more (Dekker; `group.ready` in
 * group.ts).
 *
 * Source: the ready bitmap of classic O(1) schedulers; here one bit a ring, set by another core.
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

export type BandProducer = FixedProducer | VariableProducer;
export type BandConsumer = FixedConsumer | VariableConsumer | LossyConsumer;

/**
 * The producing end of a banded queue. One thread at a time; nothing blocks but what says so.
 *
 *     const producer = pub(create({ kind: 'banded', capacityBytes: 2 ** 16 }));
 *     producer.offer(alarm, 7);                                // read before anything of the bands below
 *     producer.band(0).offer(log);                             // the same by the producer of one band
 */
export class BandedProducer<P extends BandProducer = BandProducer> {
  private readonly producers: readonly P[];

  constructor(private readonly group: Group, producers: readonly P[]) {
    this.producers = producers;
    producers.forEach((producer, band) => {
      producer[ON_PUBLISH](() => this.raise(1 << band));
    });
  }

  /** The ring of one band, 0 low to 7 high, with `tryClaim`, `commit`, `offer` and `room` of its own. */
  band(band: number): P {
    return typeof band === 'number' ? (this.producers[band] ?? this.refuse(band)) : this.refuse(band);
  }

  /** Copies one record into a band. As `offer` of a single ring. */
  offer(record: Uint8Array, band: number): ResultCode {
    return this.band(band).offer(record);
  }

  /** Publishes what is committed in every band, high bands first. OK, or CLOSED. */
  flush(): ResultCode {
    let code: ResultCode = OK;
    for (let band = BANDS - 1; band >= 0; band--) if (this.producers[band]!.flush() === CLOSED) code = CLOSED;
    return code;
  }

  /** No record will follow: the consumer drains all bands, then gets CLOSED. */
  close(): void {
    for (const producer of this.producers) producer.close();
    // group.close: after every band is sealed, so that the consumer that finds this finds them all ended.
    Atomics.store(this.group.words, IS_CLOSING, 1);
    ringBell(this.group.words, GROUP_BELL);
  }

  /** Publishes and gives the place up: another `pub` may go on. */
  leave(): void {
    for (const producer of this.producers) producer.leave();
  }

  private raise(bit: number): void {
    // group.ready: the band's cursor is stored, now look at its bit. Pairs with select(), which clears the bit, then
    // looks at the cursor.
    if ((Atomics.load(this.group.words, READY) & bit) === 0) Atomics.or(this.group.words, READY, bit);
  }

  private refuse(band: number): never {
    throw invalidArgument('band', band, `a whole number from 0 to ${BANDS - 1}`);
  }
}

type Handler = (view: DataView, offset: number, length: number, type: number, band: number) => void;

export const checkQuantum = (quantum = 0): number => checkInteger('quantum', quantum, 0, 2 ** 30);

/**
 * The consuming end of a banded queue. One thread at a time; nothing blocks but what says so.
 *
 *     const consumer = sub(queue, { quantum: 100 });           // after 100 of higher bands a lower one has its turn
 *     consumer.drain((view, offset, length, type, band) => handle(band, view, offset, length));
 */
export class BandedConsumer<C extends BandConsumer = BandConsumer> implements LinkFrom, LinkableFrom {
  /** Band of the record that `poll` answered with, or of the ring that `select` did. */
  band = 0;
  private readonly quantum: number;
  /** Records that all bands hold at most. */
  private readonly most: number;
  /** Records taken from the highest band since a lower one that waits had its turn. */
  private run = 0;
  /** Below this band the next turn of a low band is looked for. */
  private lastLow = 0;
  /** This end has left or closed: the bits are another's. */
  private isOver = false;

  constructor(private readonly group: Group, private readonly consumers: readonly C[], quantum: number) {
    this.quantum = quantum;
    this.most = Math.min(0x7fffffff, BANDS * mostRecords(this[SHAPE]));
    // group.ready: one that was put out of a band has cleared a bit over records that are ours now. A bit too many
    // costs one look.
    Atomics.or(group.words, READY, ALL_BANDS);
  }

  /** What the records of its bands are like. */
  get [SHAPE](): RecordShape {
    return this.consumers[0]![SHAPE];
  }

  [LINK_FROM](): Linked<LinkFrom> {
    return { end: this };
  }

  /** Records lost in all bands, where this consumer subscribed with a policy that loses. */
  get lost(): number {
    return this.consumers.reduce((sum, consumer) => sum + consumer.lost, 0);
  }

  /**
   * Calls `handler(view, offset, length, type, band)` for up to `limit` records (as many as the queue holds, if left
   * out), highest band first, in place. Before each run of at most 64 it looks for higher bands again. Returns how
   * many, 0 when empty, CLOSED when none will follow. At most once, as in a single ring.
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
   * The ring to read from now: the highest that has records, or a lower one whose turn it is; null when all are empty.
   * At least once by its `peek`; turns of low bands are counted by `drain` and `poll` alone.
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

  /** One record, a copy, its band in `band`; EMPTY, CLOSED or EVICTED when there is none. Allocates. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED | typeof EVICTED {
    const consumer = this.select();
    // Not look(): a record that comes now would make it answer OK.
    if (consumer === null) return (this.atEmpty() || EMPTY) as typeof EMPTY;
    this.count(this.band, 1);
    return consumer.poll();
  }

  /**
   * OK when a record can be read; EMPTY, CLOSED when none will follow, or EVICTED from one of the bands. Takes nothing.
   */
  look(): ResultCode {
    return this.select() === null ? ((this.atEmpty() || EMPTY) as ResultCode) : OK;
  }

  /** Resolves OK when a record can be read, CLOSED when none will be. Rejects by `signal` and `timeoutMs`. */
  ready(options?: WaitOptions): Promise<ResultCode> {
    return waitAsync(this[WISH](), options);
  }

  /** The same for a thread that may stand still: not inside a reactor. EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    return waitBlocking(this[WISH](), options);
  }

  /** What `ready` waits for: any band. */
  [WISH](): Wish {
    return {
      bellWords: this.group.words, bell: GROUP_BELL, notYet: EMPTY, look: () => this.look(),
      arm: () => {
        for (const consumer of this.consumers) consumer[ARM]();
      },
    };
  }

  /** Gives the place up: another `sub` goes on where this one stopped. Not to be used after. */
  leave(): void {
    this.isOver = true;
    for (const consumer of this.consumers) consumer.leave();
  }

  /** Nobody will read any more: the producer gets CLOSED. */
  close(): void {
    this.isOver = true;
    for (const consumer of this.consumers) consumer.close();
  }

  private hasRecords(band: number): boolean {
    const consumer = this.consumers[band]!;
    if (consumer.look() === OK) return true;
    // group.ready: clear the bit, then look again. Pairs with raise().
    Atomics.and(this.group.words, READY, ~(1 << band));
    if (consumer.look() !== OK) return false;
    Atomics.or(this.group.words, READY, 1 << band);
    return true;
  }

  /** Low bands take turns downwards, then from the top again. `highest` when none of them has records. */
  private lowTurn(lower: number, highest: number): number {
    for (let ready = lower; ready !== 0;) {
      const below = ready & ((1 << this.lastLow) - 1);
      const band = 31 - Math.clz32(below === 0 ? ready : below);
      if (this.hasRecords(band)) return band;
      ready &= ~(1 << band);
    }
    return highest;
  }

  /** How many records of the chosen band may be taken before it is looked again. */
  private share(): number {
    if (this.quantum === 0) return 64;
    return this.run < this.quantum ? Math.min(64, this.quantum - this.run) : 1;
  }

  private count(band: number, records: number): void {
    if (this.quantum === 0) return;
    if (this.run >= this.quantum) {
      this.run = 0;
      this.lastLow = band;
    } else {
      this.run += records;
    }
  }

  /** Nothing was found: 0, CLOSED when nothing will be, or EVICTED when one of the bands has put us out. */
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
