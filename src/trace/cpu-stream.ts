/**
 * The events of one CPU in their order, from the pages of its ring buffer as `trace_pipe_raw` gives them: read in
 * place, without a copy and without an object for an event.
 *
 *      page   | time u64 | length and flags | data ...                              |
 *      data   | type:5 delta:27 | [length or high time] | event | type:5 delta:27 | ...
 *
 * Types 1 to 28 are events of that many words, 0 has its length in the next word, 29 is padding, 30 moves the time on,
 * 31 sets it. A flag in the length says that events were overwritten before this page was read. The page says how many
 * only where it has room for that, so `stats` is what counts them. All platforms of the addon are little-endian, and so
 * is this code. Source: `events/header_event` of tracefs, kbuffer of libtraceevent.
 */
import type { PageLayout } from './event-format.js';

/** Memory for one page, seen in two ways. */
interface Page {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

/** Puts the next page into `into` and returns its length, or 0 if there is none for now. */
export type ReadPage = (into: Uint8Array) => number;

const LENGTH_MASK = 0xf_ffff;
const HAS_LOST = 1 << 31;
const [LONG, PADDING, TIME_EXTEND, TIME_STAMP] = [0, 29, 30, 31];
const TIME_UNIT = 2 ** 27;
const WORD = 2 ** 32;

export class CpuStream {
  /** The time of the current event, in nanoseconds since `zero`; Infinity when there is none. */
  timeNs = Infinity;
  /** The page of the current event, and where the event begins in it, in words. */
  words: Int32Array = EMPTY.words;
  bytes: Uint8Array = EMPTY.bytes;
  word = 0;
  /** The current item is not an event but a hole: what happened between `timeNs` and then was overwritten. */
  isHole = false;
  holeUntilNs = 0;

  private readonly waiting: Page[] = [];
  private readonly free: Page[] = [];
  private page: Page = EMPTY;
  private at = 0;
  private end = 0;
  private clockNs = 0;
  private isHoleDue = false;

  /** `zero` in two halves, so that times are exact however long the machine has been running. */
  constructor(
    readonly cpu: number, private readonly layout: PageLayout, private readonly read: ReadPage,
    private readonly zero: { readonly high: number; readonly low: number },
  ) {}

  /**
   * Takes pages until there are none, or `most` of them. Returns how many; `most` means that there may be more.
   */
  fill(most: number): number {
    for (let count = 0; count < most; count++) {
      const page = this.free.pop() ?? pageOf(this.layout.pageBytes);
      if (this.read(page.bytes) === 0) {
        this.free.push(page);
        if (this.timeNs === Infinity) this.advance();
        return count;
      }
      this.waiting.push(page);
    }
    if (this.timeNs === Infinity) this.advance();
    return most;
  }

  /** The time of the last page that has arrived; events after it may be missing. */
  get lastPageNs(): number {
    const page = this.waiting.at(-1);
    return page === undefined ? this.clockNs : this.timeOf(page);
  }

  /** Goes to the next event or hole. */
  advance(): void {
    this.isHole = false;
    for (;;) {
      if (this.isHoleDue) {
        this.isHoleDue = false;
        this.isHole = true;
        this.timeNs = this.clockNs;
        this.clockNs = this.holeUntilNs;
        return;
      }
      if (this.at >= this.end) {
        if (!this.open()) {
          this.timeNs = Infinity;
          return;
        }
        continue;
      }
      const { words } = this.page;
      const word = this.at >> 2;
      const head = words[word]!;
      const type = head & 31;
      const delta = head >>> 5;
      if (type === TIME_EXTEND) {
        this.clockNs += delta + (words[word + 1]! >>> 0) * TIME_UNIT;
        this.at += 8;
      } else if (type === TIME_STAMP) {
        this.clockNs = (words[word + 1]! >>> 0) * TIME_UNIT + delta - this.zero.high * WORD - this.zero.low;
        this.at += 8;
      } else if (type === PADDING) {
        if (delta === 0) this.at = this.end;
        else {
          this.clockNs += delta;
          this.at += 4 + words[word + 1]!;
        }
      } else {
        this.clockNs += delta;
        this.word = type === LONG ? word + 2 : word + 1;
        this.at += type === LONG ? 4 + words[word + 1]! : 4 + 4 * type;
        this.timeNs = this.clockNs;
        return;
      }
    }
  }

  /** Opens the next page. If there is a hole before it, that comes first. */
  private open(): boolean {
    const page = this.waiting.shift();
    if (page === undefined) return false;
    if (this.page !== EMPTY) this.free.push(this.page);
    this.page = page;
    this.words = page.words;
    this.bytes = page.bytes;
    const commit = page.words[this.layout.commitAt / 4]!;
    const length = commit & LENGTH_MASK;
    this.at = this.layout.dataAt;
    this.end = this.at + length;
    const startNs = this.timeOf(page);
    if ((commit & HAS_LOST) === 0) this.clockNs = startNs;
    else {
      this.isHoleDue = true;
      this.holeUntilNs = startNs;
    }
    return true;
  }

  private timeOf(page: Page): number {
    const word = this.layout.timeAt / 4;
    const [low, high] = [page.words[word]! >>> 0, page.words[word + 1]! >>> 0];
    return (high - this.zero.high) * WORD + (low - this.zero.low);
  }
}

function pageOf(bytes: number): Page {
  const buffer = new ArrayBuffer(bytes);
  return { bytes: new Uint8Array(buffer), words: new Int32Array(buffer) };
}

const EMPTY: Page = pageOf(4096);

/**
 * Calls `take` with the stream whose event or hole is the next one of all, in order of time, up to `untilNs`. Only a
 * few CPUs have something at any time, so looking at all of them is cheaper than keeping them sorted.
 */
export function takeInOrder(streams: readonly CpuStream[], untilNs: number, take: (stream: CpuStream) => void): void {
  for (;;) {
    let next: CpuStream | undefined;
    let least = untilNs;
    for (const stream of streams) {
      if (stream.timeNs > least || stream.timeNs === Infinity) continue;
      next = stream;
      least = stream.timeNs;
    }
    if (next === undefined) return;
    take(next);
    next.advance();
  }
}
