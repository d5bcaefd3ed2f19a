import { describe, expect, it } from 'vitest';
import { TIMERS_PER_CHUNK } from '../layout.js';
import { MAX_GENERATION, generationOf, slotOf, timerId } from './timer-id.js';
import { GENERATION_SHIFT, TimerTable, deadlineAt, indexOf, metaAt } from './timer-table.js';

const generation = (table: TimerTable, slot: number): number =>
  table.chunkOf(slot).words[metaAt(slot)]! >>> GENERATION_SHIFT;

/** Takes a slot as whoever makes a timer does. */
function take(table: TimerTable): number {
  const slot = table.take();
  table.chunkOf(slot).words[metaAt(slot)] = table.takenMeta;
  return slot;
}

describe('a timer\'s number', () => {
  it('holds slot and generation, at both ends of both ranges', () => {
    for (const slot of [0, 1, 2 ** 24 - 1]) {
      for (const age of [1, 2, MAX_GENERATION]) {
        const id = timerId(slot, age);
        expect(Number.isSafeInteger(id)).toBe(true);
        expect([slotOf(id), generationOf(id)]).toEqual([slot, age]);
      }
    }
  });
});

describe('a table of timers', () => {
  it('gives a slot that is used again another generation', () => {
    const table = new TimerTable(() => undefined);
    const slot = take(table);
    expect(generation(table, slot)).toBe(1);
    table.release(slot);
    expect(table.count).toBe(0);
    // A free slot has no generation, so a number that somebody makes up for the next timer is invalid.
    expect(generation(table, slot)).toBe(0);
    expect([table.take(), table.takenMeta >>> GENERATION_SHIFT]).toEqual([slot, 2]);
  });

  it('does not use a slot again when its generations are used up', () => {
    const table = new TimerTable(() => undefined);
    const slot = take(table);
    table.chunkOf(slot).words[metaAt(slot)] = MAX_GENERATION << GENERATION_SHIFT;
    expect(generation(table, slot), 'the last one').toBe(MAX_GENERATION);
    table.release(slot);
    for (let i = 0; i < 100; i++) expect(table.take()).not.toBe(slot);
    expect(generation(table, slot), 'which nobody has').toBe(0);
  });

  it('drops the reference to a callback when its slot is released', () => {
    const table = new TimerTable(() => undefined);
    const slot = take(table);
    table.chunkOf(slot).callbacks[indexOf(slot)] = () => undefined;
    table.release(slot);
    expect(table.chunkOf(slot).callbacks[indexOf(slot)]).toBeUndefined();
  });

  it('keeps its timers when it grows, and tells where their records are', () => {
    const shared = new Map<number, Float64Array>();
    const table = new TimerTable((index, records) => void shared.set(index, records));
    const count = 2 * TIMERS_PER_CHUNK + 10;
    for (let i = 0; i < count; i++) {
      const slot = take(table);
      expect(slot).toBe(i);
      table.chunkOf(slot).records[deadlineAt(slot)] = i * 3;
      table.chunkOf(slot).callbacks[indexOf(slot)] = i;
    }
    for (let slot = 0; slot < count; slot++) {
      const chunk = table.chunkOf(slot);
      if (
        chunk.records[deadlineAt(slot)] !== slot * 3 ||
        chunk.callbacks[indexOf(slot)] !== slot ||
        generation(table, slot) !== 1
      )
        expect.fail(`slot ${slot} was lost`);
    }
    expect([table.count, [...shared.keys()]]).toEqual([count, [0, 1, 2]]);
    expect(table.isUsed(count - 1)).toBe(true);
    expect(table.isUsed(3 * TIMERS_PER_CHUNK)).toBe(false);
    for (const [index, records] of shared) expect(records).toBe(table.chunkOf(index * TIMERS_PER_CHUNK).records);
  });
});
