import { describe, expect, it } from 'vitest';
import { TIMERS_PER_CHUNK, timerRecordLayout } from '../layout.js';
import { TimerHeap } from './timer-heap.js';

const records = (timers: number): Float64Array => new Float64Array((timers * timerRecordLayout.bytes) >> 3);

/** A sequence of numbers that is the same each time. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

describe('the heap of timers', () => {
  it('expires what a sorted list would, in its order, whatever is armed, moved and disarmed', () => {
    const timers = 300;
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomOf(seed);
      const heap = new TimerHeap();
      heap.setChunk(0, records(timers));
      let arms = 0;
      let nowNs = 0;
      const model = new Map<number, { deadlineNs: number; order: number }>();
      const out = new Int32Array(timers);
      for (let command = 0; command < 2000; command++) {
        const id = random(timers);
        if (random(3) === 0) {
          heap.disarm(id);
          model.delete(id);
        } else {
          const deadlineNs = nowNs + random(50);
          heap.arm(id, deadlineNs);
          model.set(id, { deadlineNs, order: arms++ });
        }
        if (random(10) !== 0) continue;
        nowNs += random(20);
        const limit = 1 + random(10);
        const due = [...model].filter(([, { deadlineNs }]) => deadlineNs <= nowNs)
          .sort(([, a], [, b]) => a.deadlineNs - b.deadlineNs || a.order - b.order).slice(0, limit).map(([one]) => one);
        const count = heap.expire(nowNs, out, 0, limit);
        expect([...out.subarray(0, count)]).toEqual(due);
        for (const one of due) model.delete(one);
        expect(heap.count).toBe(model.size);
        expect(heap.nextNs).toBe(Math.min(Infinity, ...[...model.values()].map(({ deadlineNs }) => deadlineNs)));
      }
    }
  });

  it('has a place for the ids of each chunk, and none for others; a chunk may be replaced by a larger copy', () => {
    const heap = new TimerHeap();
    const small = records(64);
    heap.setChunk(0, small);
    heap.arm(5, 20);
    const large = records(TIMERS_PER_CHUNK);
    large.set(small);
    heap.setChunk(0, large);
    heap.setChunk(1, records(TIMERS_PER_CHUNK));
    heap.arm(TIMERS_PER_CHUNK + 3, 10);
    heap.arm(2 * TIMERS_PER_CHUNK, 1);
    heap.disarm(2 * TIMERS_PER_CHUNK);
    const out = new Int32Array(4);
    expect([heap.count, heap.expire(15, out, 1, 3), out[1], heap.nextNs]).toEqual([2, 1, TIMERS_PER_CHUNK + 3, 20]);
    heap.disarm(5);
    expect([heap.count, heap.nextNs]).toEqual([0, Infinity]);
  });
});
