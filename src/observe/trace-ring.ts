/**
 * The last runs of one party, in memory that all threads of the process can read: what ran, from when to when, and who
 * had made it ready. The owner overwrites the oldest; a reader drops what was overwritten while it read.
 */
import { TRACE_SPANS, traceSpanLayout } from '../layout.js';

/** A run. */
export interface TraceSpan {
  /**
   * The slot of its task; -1 - band for handlers and timers of a band, OUTSIDE_TURNS for callbacks of Node; at or below
   * COLLECTION for collections, each kind one less.
   */
  readonly what: number;
  readonly fromNs: number;
  readonly toNs: number;
  /** When it became ready. */
  readonly readyNs: number;
  /** The party that sent what it ran for; -1 for its own thread. */
  readonly sender: number;
}

export const OUTSIDE_TURNS = -100;
export const COLLECTION = -200;
export const TRACE_BYTES: number = 128 + TRACE_SPANS * traceSpanLayout.bytes;

const { fromNs, toNs, readyNs, what, sender } = traceSpanLayout.fields;
const WORDS = traceSpanLayout.bytes >> 2;
const NUMBERS = traceSpanLayout.bytes >> 3;
/** Runs of the same task that follow each other this closely are recorded as one. */
const JOIN_NS = 2000;

export class TraceRing {
  /** How many there ever were, in the first word; it wraps. */
  private readonly head: Int32Array;
  private readonly words: Int32Array;
  private readonly numbers: Float64Array;
  private written = 0;

  constructor(memory: SharedArrayBuffer, at: number) {
    this.head = new Int32Array(memory, at, 1);
    this.words = new Int32Array(memory, at + 128, TRACE_SPANS * WORDS);
    this.numbers = new Float64Array(memory, at + 128, TRACE_SPANS * NUMBERS);
    this.written = Atomics.load(this.head, 0);
  }

  /** For the owner. Does not allocate. */
  note(code: number, beganNs: number, endedNs: number, sinceNs: number, from: number): void {
    const { words, numbers, written } = this;
    const last = (written - 1) & (TRACE_SPANS - 1);
    if (
      from < 0 && words[last * WORDS + (what.at >> 2)] === code
      && beganNs - numbers[last * NUMBERS + (toNs.at >> 3)]! < JOIN_NS
    ) {
      numbers[last * NUMBERS + (toNs.at >> 3)] = endedNs;
      return;
    }
    const place = written & (TRACE_SPANS - 1);
    words[place * WORDS + (what.at >> 2)] = code;
    words[place * WORDS + (sender.at >> 2)] = from;
    numbers[place * NUMBERS + (fromNs.at >> 3)] = beganNs;
    numbers[place * NUMBERS + (toNs.at >> 3)] = endedNs;
    numbers[place * NUMBERS + (readyNs.at >> 3)] = sinceNs;
    this.written = (written + 1) | 0;
    // trace.written: pairs with the loads in since(): the span above is complete.
    Atomics.store(this.head, 0, this.written);
  }

  /** For any thread: the runs that ended at `sinceNs` or later, oldest first. Allocates. */
  since(from: number): TraceSpan[] {
    const { words, numbers, head } = this;
    // trace.written: pairs with the store in note().
    const written = Atomics.load(head, 0);
    const spans: (TraceSpan & { readonly number: number })[] = [];
    for (let back = 1; back < TRACE_SPANS; back++) {
      const number = (written - back) | 0;
      const place = number & (TRACE_SPANS - 1);
      const span = {
        number, what: words[place * WORDS + (what.at >> 2)]!, sender: words[place * WORDS + (sender.at >> 2)]!,
        fromNs: numbers[place * NUMBERS + (fromNs.at >> 3)]!, toNs: numbers[place * NUMBERS + (toNs.at >> 3)]!,
        readyNs: numbers[place * NUMBERS + (readyNs.at >> 3)]!,
      };
      if (span.toNs === 0) break;
      if (span.toNs >= from) spans.push(span);
      // A collection is told after what ran behind it.
      else if (span.what > COLLECTION) break;
    }
    // trace.written: spans that the owner has written meanwhile, and the one that it may be writing now, are not whole.
    const now = Atomics.load(head, 0);
    return spans.filter(({ number }) => ((now - number) | 0) < TRACE_SPANS).reverse();
  }
}
