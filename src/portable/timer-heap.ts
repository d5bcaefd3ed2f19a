/**
 * Which timers are due, and when is the next one? Stands in for the native wheel (native/timer_wheel.h), with the same
 * promises: deadlines are exact, none is early, the earliest comes first, and equal ones come in the order of arming.
 *
 * A heap with four children at each node, by deadline and order, in typed arrays. Each timer's record has its place in
 * the heap, so that it can be taken out where it is. Arming and disarming take log4(n) steps, and usually one or two:
 * most timers are time-outs, later than those that are already there, and are disarmed near the leaves. Why not the
 * wheel again: docs/decisions/2026-11-29-portable-backend.md. Source: D. B. Johnson, d-heaps, 1975.
 */
import { TIMERS_PER_CHUNK, timerRecordLayout } from '../layout.js';

const CHUNK_BITS = Math.log2(TIMERS_PER_CHUNK);
const SLOT_MASK = TIMERS_PER_CHUNK - 1;
const RECORD_BITS = Math.log2(timerRecordLayout.bytes >> 2);
/** A word of a record: its place in the heap plus one; 0 while it is not armed. */
const PLACE = timerRecordLayout.fields.wheel.at >> 2;
const FIRST_CAPACITY = 64;

export class TimerHeap {
  count = 0;
  private chunks: Int32Array[] = [];
  private ids = new Int32Array(FIRST_CAPACITY);
  private deadlines = new Float64Array(FIRST_CAPACITY);
  /** The number of the arming at which each was armed: it says which of equal deadlines came first. */
  private orders = new Float64Array(FIRST_CAPACITY);
  private arms = 0;

  /** Records of the ids from index * TIMERS_PER_CHUNK on, in place of those that were there, if any. */
  setChunk(index: number, records: Float64Array): void {
    this.chunks[index] = new Int32Array(records.buffer, records.byteOffset, records.length * 2);
  }

  /** The earliest deadline, or Infinity. */
  get nextNs(): number {
    return this.count === 0 ? Infinity : this.deadlines[0]!;
  }

  /** Arms timer `id`; a timer that is armed is armed anew. */
  arm(id: number, deadlineNs: number): void {
    this.disarm(id);
    if (this.chunks[id >>> CHUNK_BITS] === undefined) return;
    if (this.count === this.ids.length) this.grow();
    this.riseFrom(this.count++, id, deadlineNs, this.arms++);
  }

  /** Does nothing to a timer that is not armed. */
  disarm(id: number): void {
    const chunk = this.chunks[id >>> CHUNK_BITS];
    if (chunk === undefined) return;
    const word = ((id & SLOT_MASK) << RECORD_BITS) + PLACE;
    const at = chunk[word]! - 1;
    if (at < 0) return;
    chunk[word] = 0;
    this.fill(at);
  }

  /**
   * Disarms what is due, earliest first, writes the ids to `out` from `from` on, and returns how many: at most `limit`.
   */
  expire(nowNs: number, out: Int32Array, from: number, limit: number): number {
    let expired = 0;
    while (expired < limit && this.count !== 0 && this.deadlines[0]! <= nowNs) {
      const id = this.ids[0]!;
      this.chunks[id >>> CHUNK_BITS]![((id & SLOT_MASK) << RECORD_BITS) + PLACE] = 0;
      this.fill(0);
      out[from + expired++] = id;
    }
    return expired;
  }

  /** Puts the last one into the place of one that has gone. */
  private fill(at: number): void {
    const last = --this.count;
    if (at === last) return;
    const id = this.ids[last]!;
    const deadlineNs = this.deadlines[last]!;
    const order = this.orders[last]!;
    if (at > 0 && this.isBefore(deadlineNs, order, (at - 1) >> 2)) this.riseFrom(at, id, deadlineNs, order);
    else this.sinkFrom(at, id, deadlineNs, order);
  }

  private riseFrom(from: number, id: number, deadlineNs: number, order: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      if (!this.isBefore(deadlineNs, order, parent)) break;
      this.move(parent, at);
      at = parent;
    }
    this.put(at, id, deadlineNs, order);
  }

  private sinkFrom(from: number, id: number, deadlineNs: number, order: number): void {
    const { count, deadlines, orders } = this;
    let at = from;
    for (;;) {
      const first = 4 * at + 1;
      if (first >= count) break;
      let least = first;
      for (let child = first + 1, end = Math.min(first + 4, count); child < end; child++) {
        if (deadlines[child]! < deadlines[least]!
          || (deadlines[child] === deadlines[least] && orders[child]! < orders[least]!)) least = child;
      }
      if (this.isBefore(deadlineNs, order, least)) break;
      this.move(least, at);
      at = least;
    }
    this.put(at, id, deadlineNs, order);
  }

  private isBefore(deadlineNs: number, order: number, at: number): boolean {
    const other = this.deadlines[at]!;
    return deadlineNs < other || (deadlineNs === other && order < this.orders[at]!);
  }

  private move(from: number, to: number): void {
    this.put(to, this.ids[from]!, this.deadlines[from]!, this.orders[from]!);
  }

  private put(at: number, id: number, deadlineNs: number, order: number): void {
    this.ids[at] = id;
    this.deadlines[at] = deadlineNs;
    this.orders[at] = order;
    this.chunks[id >>> CHUNK_BITS]![((id & SLOT_MASK) << RECORD_BITS) + PLACE] = at + 1;
  }

  private grow(): void {
    const ids = new Int32Array(this.ids.length * 2);
    const deadlines = new Float64Array(ids.length);
    const orders = new Float64Array(ids.length);
    ids.set(this.ids);
    deadlines.set(this.deadlines);
    orders.set(this.orders);
    Object.assign(this, { ids, deadlines, orders });
  }
}
