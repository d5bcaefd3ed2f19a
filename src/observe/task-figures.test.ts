import { describe, expect, it } from 'vitest';
import { FigureTable, ToldCounts, createFigures, type TaskCounts } from './task-figures.js';

const counts = (steps: number, depth = 0, refused = 0): TaskCounts => ({ steps, depth, refused, errors: 0, again: 0 });

describe('the counts of a slot', () => {
  it('go on when a task is made again, in the same thread or in the next', () => {
    const memory = createFigures(8);
    const slot = new FigureTable(memory).slotFor('a', 3);
    const first = new ToldCounts(0);
    slot.note(counts(5, 2, 1), first, 5);
    slot.note(counts(9, 4, 3), first, 4);
    expect(['messages', 'refused', 'depth'].map((of) => slot.count(of as 'depth'))).toEqual([9, 3, 4]);
    slot.noteDepth(0, first);
    slot.begin();
    slot.note(counts(1, 1, 1), new ToldCounts(0), 1);
    expect(['messages', 'refused', 'depth'].map((of) => slot.count(of as 'depth'))).toEqual([10, 4, 1]);
    // The thread ends with a message in the mailbox, and the next one begins.
    const again = new FigureTable(memory).slotFor('a', 3);
    expect(again.count('depth')).toBe(0);
    again.note(counts(2), new ToldCounts(0), 2);
    expect(['messages', 'refused', 'steps', 'begun'].map((of) => again.count(of as 'steps'))).toEqual([12, 4, 12, 3]);
  });

  it('are those of all tasks that have no slot of their own', () => {
    const table = new FigureTable(createFigures(2));
    table.slotFor('a', 3);
    const tasks = [new ToldCounts(0), new ToldCounts(0)];
    const slots = tasks.map((_, i) => table.slotFor(`b${i}`, 3));
    expect(slots.map(({ name }) => name)).toEqual(['(others)', '(others)']);
    for (let steps = 1; steps <= 3; steps++) {
      for (const [i, told] of tasks.entries()) slots[i]!.note(counts(steps * (i + 1), i + 1), told, i + 1);
    }
    expect(['messages', 'steps', 'depth'].map((of) => slots[0]!.count(of as 'depth'))).toEqual([9, 9, 3]);
  });
});
