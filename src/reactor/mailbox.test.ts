/** The mailbox of a task: order, and how much memory it holds. */
import { expect, it } from 'vitest';
import { BACK_PRESSURED, OK } from '../queues/index.js';
import { Town } from './fixtures/town.js';
import { partyOf } from './reactor.js';

const CAPACITY = 1024;
const settle = (town: Town): void => {
  for (const party of town.parties) party.stir();
  expect(town.settle(200)).toBeGreaterThanOrEqual(0);
};

it('a mailbox that is emptied each time holds few places, and one that was full all of them', () => {
  const town = new Town({ reactors: 1, laneBytes: 4096 });
  town.start();
  const reactor = town.reactor(0);
  const seen: number[] = [];
  const task = reactor.spawn<number>({ name: 'task', capacity: CAPACITY }, (message) => void seen.push(message));
  const local = partyOf(reactor).dispatcher.tasks.get('task')!;
  const places = (): number => (local as unknown as { messages: unknown[] }).messages.length;
  let sent = 0;
  for (let round = 0; round < 2 * CAPACITY; round++) {
    for (let i = 0; i < 1 + (round % 3); i++) expect(task.send(sent++)).toBe(OK);
    settle(town);
  }
  expect(places()).toBeLessThanOrEqual(4);
  for (let i = 0; i < CAPACITY; i++) expect(task.send(sent++)).toBe(OK);
  expect([task.send(sent), task.depth, places()]).toEqual([BACK_PRESSURED, CAPACITY, CAPACITY]);
  settle(town);
  expect(seen).toEqual(Array.from({ length: sent }, (_, i) => i));
});
