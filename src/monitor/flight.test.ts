/** The flight recorder, up to the death of the thread that it flies in. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { flightEvents, noteEvent, type FlightEvent, type ReactorDeath } from '../index.js';
import { FlightRecorder } from '../observe/internal.js';
import { inside, until, withRuntime, within } from '../reactor/fixtures/inside.js';

it('keeps the last 1,024 events, the oldest first', () => {
  let ns = 0;
  const flight = new FlightRecorder(() => ns++);
  expect(flight.events()).toEqual([]);
  for (let i = 0; i < 1030; i++) flight.note('some', 'x'.repeat(300));
  const events = flight.events();
  expect([events.length, events[0]!.ns, events.at(-1)!.ns, events[0]!.detail.length]).toEqual([1024, 6, 1029, 200]);
});

it('is told with the death of a reactor that an error has ended', () => withRuntime(1, {}, async (runtime) => {
  const errors: unknown[] = [];
  runtime.on('stepError', (error) => void errors.push(error));
  await inside(runtime, 0, (reactor) => {
    reactor.spawn({ name: 'fails' }, () => {
      throw new RangeError('once');
    }).send(0);
  });
  await until(() => errors.length === 1, 'the step has failed');
  const died = once(runtime, 'reactorDied') as Promise<[ReactorDeath]>;
  // The end may come before the answer.
  await inside(runtime, 0, () => void setImmediate(() => {
    throw new Error('the end');
  })).catch(() => undefined);
  const [{ error, events }] = await within(10_000, died, 'its death');
  expect(error!.message).toBe('the end');
  const told = events.map(({ what, detail }: FlightEvent) => `${what}: ${detail}`);
  expect(told).toContain('stepError: task "fails": once');
  expect(told.at(-1)).toBe('uncaught: the end');
  expect(events.every(({ ns }, i) => i === 0 || ns >= events[i - 1]!.ns)).toBe(true);
  // The main thread has seen the death.
  await until(() => flightEvents(runtime).some(({ what }) => what === 'death'), 'it is noted');
}));

it('keeps what a program notes itself', () => withRuntime(1, {}, async (runtime) => {
  noteEvent(runtime, 'reconnected', 'to the second');
  expect(flightEvents(runtime).at(-1)).toMatchObject({ what: 'reconnected', detail: 'to the second' });
  expect(() => noteEvent(runtime, '')).toThrow(expect.objectContaining({ argument: 'what' }));
}));
