/**
 * The job's figures in shared memory, one block a reactor, so that they survive the reactor and the main thread reads
 * them without asking. Each block has one writer, its reactor; plain numbers, since they are statistics.
 *
 * Every line is counted once where its fate is decided: `rejected` by its reader, else `sent[owner][band]` by its
 * reader and then `worked[reader][band]` by its owner. What was sent and never worked, because one of the two died or
 * the time was over, is dropped.
 */
import { HISTOGRAM_WORDS, Histogram } from 'percore';
import { REJECT_REASONS, type RejectReason } from './line-rules.js';

const BANDS = 8;
const LINE_BYTES = 128;

/** The figures of one reactor. */
export class JobCounters {
  private readonly numbers: Float64Array;
  private readonly histograms: Histogram[];

  constructor(
    memory: SharedArrayBuffer,
    private readonly reactors: number,
    id: number,
  ) {
    const bytes = blockBytes(reactors);
    this.numbers = new Float64Array(memory, id * bytes, numbersIn(reactors));
    const words = new Uint32Array(memory, id * bytes + numbersIn(reactors) * 8, HISTOGRAM_WORDS * BANDS);
    this.histograms = Array.from(
      { length: BANDS },
      (_, band) => new Histogram(words.subarray(band * HISTOGRAM_WORDS, (band + 1) * HISTOGRAM_WORDS)),
    );
  }

  /** Memory for all reactors. */
  static allocate(reactors: number): SharedArrayBuffer {
    return new SharedArrayBuffer(reactors * blockBytes(reactors));
  }

  get linesIn(): number {
    return this.numbers[0]!;
  }
  set linesIn(value: number) {
    this.numbers[0] = value;
  }
  get bytesIn(): number {
    return this.numbers[1]!;
  }
  set bytesIn(value: number) {
    this.numbers[1] = value;
  }
  /** Good lines whose owner had died already, or was closed at the end. */
  get ownerDied(): number {
    return this.numbers[2]!;
  }
  set ownerDied(value: number) {
    this.numbers[2] = value;
  }
  get outputsConnected(): number {
    return this.numbers[3]!;
  }
  set outputsConnected(value: number) {
    this.numbers[3] = value;
  }
  get outputsEvicted(): number {
    return this.numbers[4]!;
  }
  set outputsEvicted(value: number) {
    this.numbers[4] = value;
  }
  /** Results that were meant for an output and did not reach it, because it was evicted or broke. */
  get resultsUnsent(): number {
    return this.numbers[5]!;
  }
  set resultsUnsent(value: number) {
    this.numbers[5] = value;
  }
  /** Outputs open now: without any, owners need not format results. */
  get outputsOpen(): number {
    return this.numbers[6]!;
  }
  set outputsOpen(value: number) {
    this.numbers[6] = value;
  }
  /**
   * Outputs open now whose reader has ended its own side: it reads on, or has gone without our having sent anything
   * since.
   */
  get outputsHalfClosed(): number {
    return this.numbers[7]!;
  }
  set outputsHalfClosed(value: number) {
    this.numbers[7] = value;
  }

  /** Records of results to the outputs of reactor `to`; and those that this one's outputs have taken from another. */
  resultRecordsTo(to: number): number {
    return this.numbers[this.resultsAt + to]!;
  }
  addResultRecordTo(to: number): void {
    this.numbers[this.resultsAt + to]!++;
  }
  resultRecordsFrom(from: number): number {
    return this.numbers[this.resultsAt + this.reactors + from]!;
  }
  addResultRecordFrom(from: number): void {
    this.numbers[this.resultsAt + this.reactors + from]!++;
  }

  private get resultsAt(): number {
    return HEAD + 2 * this.reactors * BANDS;
  }

  rejected(reason: RejectReason): number {
    return this.numbers[REJECTED + REJECT_REASONS.indexOf(reason)]!;
  }
  addRejected(reason: RejectReason): void {
    this.numbers[REJECTED + REJECT_REASONS.indexOf(reason)]!++;
  }

  sent(owner: number, band: number): number {
    return this.numbers[HEAD + owner * BANDS + band]!;
  }
  addSent(owner: number, band: number, lines: number): void {
    this.numbers[HEAD + owner * BANDS + band]! += lines;
  }

  worked(reader: number, band: number): number {
    return this.numbers[HEAD + (this.reactors + reader) * BANDS + band]!;
  }
  addWorked(reader: number, band: number, lines: number): void {
    this.numbers[HEAD + (this.reactors + reader) * BANDS + band]! += lines;
  }

  /** Nanoseconds from read to result, of one band. */
  latency(band: number): Histogram {
    return this.histograms[band]!;
  }

  /** Lines worked in one band, or in all. */
  results(band?: number): number {
    let sum = 0;
    for (let reader = 0; reader < this.reactors; reader++) {
      for (let b = band ?? 0; b < (band === undefined ? BANDS : band + 1); b++) sum += this.worked(reader, b);
    }
    return sum;
  }
}

const REJECTED = 8;
const HEAD = REJECTED + REJECT_REASONS.length;
const numbersIn = (reactors: number): number => HEAD + 2 * reactors * (BANDS + 1);
const blockBytes = (reactors: number): number =>
  Math.ceil((numbersIn(reactors) * 8 + HISTOGRAM_WORDS * BANDS * 4) / LINE_BYTES) * LINE_BYTES;

/** Lines on their way from reader to owner in one band. */
export function depth(counters: readonly JobCounters[], owner: number, band: number): number {
  return counters.reduce((sum, reader, id) => sum + reader.sent(owner, band) - counters[owner]!.worked(id, band), 0);
}

/** All lines on their way from one reader to one owner. */
export function outstanding(counters: readonly JobCounters[], reader: number, owner: number): number {
  let sum = 0;
  for (let band = 0; band < BANDS; band++) {
    sum += counters[reader]!.sent(owner, band) - counters[owner]!.worked(reader, band);
  }
  return sum;
}
