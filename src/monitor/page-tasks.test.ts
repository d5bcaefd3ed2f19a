/** Rows of tasks in the counters page, which are written again only where something has changed. */
import { expect, it } from 'vitest';
import { pageClassLayout, pageTaskLayout, partyLayout } from '../layout.js';
import { FigureTable, RUN, ToldCounts, createFigures } from '../observe/internal.js';
import { PageMemory, unpackRow } from './page-rows.js';
import { TaskRows, mostClasses } from './page-tasks.js';

const ROOM = 8;

function twoParties() {
  const tables = [createFigures(ROOM), createFigures(ROOM)];
  const bytes = Math.max(2 * ROOM * pageTaskLayout.bytes, mostClasses(0) * pageClassLayout.bytes);
  const memory = new PageMemory(new ArrayBuffer(bytes));
  const inboxes = tables.map(() => new SharedArrayBuffer(partyLayout.bytes));
  const rows = new TaskRows(memory, inboxes, tables, []);
  const write = () => {
    const { count } = rows.writeTasks(0, 2 * ROOM);
    return Array.from({ length: count }, (_, i) =>
      unpackRow(pageTaskLayout, memory.bytes, i * pageTaskLayout.bytes) as {
        party: number; name: string; steps: number; restarts: number; maxNs: number[];
      });
  };
  const writeClass = () => {
    expect(rows.writeClasses(0)).toBe(1);
    return unpackRow(pageClassLayout, memory.bytes, 0) as { maxNs: number[] };
  };
  return { parties: tables.map((table) => new FigureTable(table)), write, writeClass };
}

it('a task that was made later moves those after it, which keep their names and figures', () => {
  const { parties: [first, second], write } = twoParties();
  first!.slotFor('a', 3);
  second!.slotFor('b', 3).record(RUN, 700, 1);
  expect(write().map(({ party, name, maxNs }) => [party, name, maxNs[RUN]])).toEqual([[0, 'a', 0], [1, 'b', 700]]);
  first!.slotFor('late', 3).record(RUN, 900, 1);
  expect(write().map(({ party, name, maxNs }) => [party, name, maxNs[RUN]]))
    .toEqual([[0, 'a', 0], [0, 'late', 900], [1, 'b', 700]]);
});

it('what was recorded after the steps were counted is shown, without another step', () => {
  const { parties: [first], write, writeClass } = twoParties();
  const slot = first!.slotFor('a', 3);
  // A turn counts its steps when it ends. How long they took is known when the next one begins.
  slot.note({ steps: 1, refused: 0, errors: 0, again: 0, depth: 0 }, new ToldCounts(0), 1);
  expect([write()[0]!.steps, write()[0]!.maxNs[RUN], writeClass().maxNs[RUN]]).toEqual([1, 0, 0]);
  slot.record(RUN, 5e6, 1);
  expect([write()[0]!.maxNs[RUN], writeClass().maxNs[RUN]]).toEqual([5e6, 5e6]);
});

it('a task that is made again has one restart more at once', () => {
  const { parties: [first], write } = twoParties();
  first!.slotFor('a', 3);
  expect(write()[0]!.restarts).toBe(0);
  first!.slotFor('a', 3);
  expect(write()[0]!.restarts).toBe(1);
});
