/** The first topic, or the first subscription, of a thread within a recursion that is about to overflow the stack. */
import { expect, it } from 'vitest';
import { Town } from '../reactor/fixtures/town.js';
import { struct } from '../queues/index.js';
import { createTopic, subscribe } from './index.js';

/** Tries from the deepest call on, one call further up each time, until it succeeds; returns what was thrown before. */
function fromTheDeepest(attempt: () => void): unknown[] {
  const thrown: unknown[] = [];
  let isDone = false;
  const dive = (): void => {
    try {
      dive();
    } catch {
      // The stack is full from here on.
    }
    if (isDone) return;
    try {
      attempt();
      isDone = true;
    } catch (error) {
      thrown.push(error);
    }
  };
  dive();
  return thrown;
}

it.each([
  ['topic', (town: Town) => void createTopic(town.reactor(0), { name: 'ticks', codec: struct({ n: 'u32' }) })],
  ['subscription', (town: Town) => void subscribe(town.reactor(0), 'ticks', {}, () => undefined)],
])('leaves no half of a bus: the first %s', (_name, make) => {
  const town = new Town({ reactors: 1, laneBytes: 65_536 });
  town.start();
  const thrown = fromTheDeepest(() => make(town));
  expect(thrown.length, 'there was too little room at first').toBeGreaterThan(0);
  expect(thrown.filter((error) => !(error instanceof RangeError))).toEqual([]);
  expect(town.parties[0]!.inside.dispatcher.tasks.has('percore.topics')).toBe(true);
});
