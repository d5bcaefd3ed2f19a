/**
 * The owner's half: works the lines that arrive in the lane of each band, and sends the results to every reactor that
 * has outputs. High bands come first because their lanes do; a record of many lines is left in the middle when
 * something higher arrives.
 */
import {
  AGAIN, BACK_PRESSURED, OK, bucketOf, type Address, type Buckets, type ByteRecord, type Reactor,
} from 'percore';
import { Arithmetic } from './arithmetic.js';
import type { JobCounters } from './counters.js';
import { KeyTable, type KeyFigures } from './key-table.js';
import { LINE_HEAD, RECORD_HEAD, lineBytes } from './line-record.js';
import { payloadCrc } from './payload-crc.js';
import { formatResult, maxResultBytes } from './result-format.js';

/** Lines worked between two looks whether something higher waits. */
const LOOK_EVERY = 8;
/** Most bytes of results claimed at a time. */
const RESULT_BYTES = 8192;

/** A bucket that leaves looks so often whether its results have been taken, and at most so long. */
const LOOK_NS = 50_000;
const MOST_WAIT_NS = 1e9;

export interface WorkerOptions {
  /** Of arithmetic, a line. */
  readonly workSteps: number;
  /** Worked lines after which the reactor ends by force: for trying out a death. */
  readonly dieAfter: number;
}

/** How far a record was worked when its step gave way to something higher. */
interface Progress {
  at: number;
}

export class Worker {
  private readonly keys = new KeyTable();
  private readonly progress = new Map<number, Progress>();
  private readonly outlets: (Address | undefined)[] = [];
  private readonly claims: number[];
  /** With --rebalance: counts the lines of each bucket, so that it can go to another reactor. */
  buckets: Buckets | undefined;
  private worked = 0;
  /** The open claim of results: its band, its size (0: none), and what of it is written. */
  private band = 0;
  private claimedBytes = 0;
  private usedBytes = 0;
  private readonly arithmetic: Arithmetic;

  constructor(
    private readonly reactor: Reactor,
    private readonly counters: readonly JobCounters[],
    private readonly options: WorkerOptions,
  ) {
    this.claims = new Array<number>(reactor.reactors).fill(-1);
    this.arithmetic = new Arithmetic(options.workSteps);
  }

  /** A step of the task `lines`: one record. */
  readonly step = (record: ByteRecord): number => {
    const { view, words, bytes, offset, from, priority: band } = record;
    const lane = from * 8 + band;
    let progress = this.progress.get(lane);
    if (progress === undefined) this.progress.set(lane, (progress = { at: 0 }));
    const own = this.counters[this.reactor.id]!;
    const end = offset + record.length;
    const readNs = view.getFloat64(offset, true);
    let at = offset + (progress.at === 0 ? RECORD_HEAD : progress.at);
    let lines = 0;
    let code: number = OK;
    if (this.openResults(band, words, at, end) === BACK_PRESSURED) return BACK_PRESSURED;
    while (at < end) {
      const head = at >> 2;
      const payloadStart = at + LINE_HEAD;
      const keyStart = payloadStart + words[head + 3]!;
      const keyEnd = keyStart + words[head + 4]!;
      const payloadLength = words[head + 5]!;
      if (this.claimedBytes !== 0 && this.usedBytes + maxResultBytes(keyEnd - keyStart) > this.claimedBytes) {
        this.closeResults();
        if (this.openResults(band, words, at, end) === BACK_PRESSURED) {
          code = BACK_PRESSURED;
          break;
        }
      }
      this.buckets?.begin();
      const count = this.keys.touch(bytes, keyStart, keyEnd, words[head + 2]!, payloadLength);
      const crc = payloadCrc(words, bytes, payloadStart, payloadLength);
      if (this.options.workSteps !== 0) this.arithmetic.run();
      if (this.claimedBytes !== 0) {
        this.writeResult(view.getFloat64(at, true), band, bytes, keyStart, keyEnd, count, crc);
      }
      this.buckets?.took(from, bucketOf(words[head + 2]!));
      at += lineBytes(keyEnd - payloadStart, payloadLength);
      lines++;
      if ((lines % LOOK_EVERY === 0 || this.options.workSteps !== 0) && at < end && this.reactor.shouldYield()) {
        code = AGAIN;
        break;
      }
    }
    this.closeResults();
    progress.at = at < end ? at - offset : 0;
    own.addWorked(from, band, lines);
    if (lines !== 0) own.latency(band).record(this.reactor.nowNs() - readNs, lines);
    this.worked += lines;
    if (this.worked >= this.options.dieAfter) process.exit(1);
    return code;
  };

  /**
   * A bucket leaves: the figures of its keys, once its results have been taken by the outputs, so that those of the new
   * owner come behind them.
   */
  async give(bucket: number): Promise<KeyFigures[]> {
    const own = this.counters[this.reactor.id]!;
    const sent = this.counters.map((_, to) => own.resultRecordsTo(to));
    const isTaken = (): boolean => this.counters.every(
      (one, to) => one.outputsOpen === 0 || one.resultRecordsFrom(this.reactor.id) >= sent[to]!,
    );
    // Those of a reactor that has died are never taken.
    const endNs = this.reactor.nowNs() + MOST_WAIT_NS;
    while (!isTaken() && this.reactor.nowNs() < endNs) {
      await new Promise<void>((resolve) => void this.reactor.timers.after({ delayNs: LOOK_NS }, () => resolve()));
    }
    return this.keys.take(bucket);
  }

  /** A bucket arrives. */
  receive(figures: readonly KeyFigures[] | undefined): void {
    for (const one of figures ?? []) this.keys.add(one);
  }

  /** Claims room for results on the lane to each reactor with outputs. OK, or BACK_PRESSURED with nothing claimed. */
  private openResults(band: number, words: Int32Array, at: number, end: number): number {
    this.band = band;
    this.claimedBytes = 0;
    this.usedBytes = 0;
    let size = 0;
    for (let to = 0; to < this.reactor.reactors; to++) {
      this.claims[to] = -1;
      if (this.counters[to]!.outputsOpen === 0) continue;
      if (size === 0) size = Math.max(maxResultBytes(words[(at >> 2) + 4]!), Math.min(RESULT_BYTES, end - at));
      const claim = this.outlet(to, band).tryClaim(size);
      if (claim === BACK_PRESSURED) {
        // Nothing is written yet, so this gives up the claims made before.
        this.closeResults();
        return BACK_PRESSURED;
      }
      // CLOSED: its outputs have died with it.
      this.claims[to] = claim;
      if (claim >= 0) this.claimedBytes = size;
    }
    return OK;
  }

  private writeResult(
    seq: number, band: number, bytes: Uint8Array, keyStart: number, keyEnd: number, count: number, crc: number,
  ): void {
    let used = this.usedBytes;
    for (let to = 0; to < this.claims.length; to++) {
      const claim = this.claims[to]!;
      if (claim < 0) continue;
      const { bytes: out } = this.outlet(to, band);
      used =
        formatResult(out, claim + this.usedBytes, seq, this.reactor.id, band, bytes, keyStart, keyEnd, count, crc) -
        claim;
    }
    this.usedBytes = used;
  }

  private closeResults(): void {
    if (this.claimedBytes === 0) return;
    for (let to = 0; to < this.claims.length; to++) {
      if (this.claims[to]! < 0) continue;
      const outlet = this.outlet(to, this.band);
      if (this.usedBytes === 0) {
        outlet.abort();
      } else {
        outlet.commit(this.usedBytes);
        this.counters[this.reactor.id]!.addResultRecordTo(to);
      }
      this.claims[to] = -1;
    }
    this.claimedBytes = 0;
  }

  private outlet(to: number, band: number): Address {
    const index = to * 8 + band;
    return (
      this.outlets[index] ??
      (this.outlets[index] = this.reactor.address('results', { reactor: to, priority: band, isReturn: true }))
    );
  }
}
