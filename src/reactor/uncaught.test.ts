import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture, until } from './fixtures/inside.js';
import type { Throwing } from './fixtures/throwing.js';
import type { ReactorDeath, StepError } from './runtime-events.js';
import { createRuntime, type Runtime } from './runtime.js';

/** A callback beside the turn of a reactor costs itself alone: it is counted, reported with its place, and no more. */
describe('what a callback beside the turn throws', () => {
  let runtime: Runtime<Throwing>;
  const errors: StepError[] = [];
  const deaths: ReactorDeath[] = [];

  beforeAll(async () => {
    runtime = await createRuntime<Throwing>({ entry: fixture('throwing'), reactors: 1 });
    runtime.on('stepError', (error) => errors.push(error)).on('reactorDied', (death) => deaths.push(death));
  });
  afterAll(async () => void await runtime.close({ drainMs: 500 }));

  for (const [what, where] of [
    ['rateTimer', 'callback "sample" of a rate timer at 1000 Hz'],
    ['rateTimerAsync', 'a rate timer at 1000 Hz'],
    ['onError', 'onError of a rate timer at 1000 Hz'],
    ['emit', 'a tick of a rate controller at 1000 Hz'],
    ['listener', "a listener of 'stats' of a rate controller at 1000 Hz"],
    ['ownTimers', /^a timer.* of band 3$/],
    ['readiness', /^the callback of a readiness on eventfd \d+$/],
    ['readinessAsync', /^the callback of a readiness on eventfd \d+$/],
    ['ownIo', /^the callback of a readiness on eventfd \d+$/],
    ['watchAsync', 'the handler of a watched path'],
  ] as const) {
    it(`is a 'stepError' and not the end of the reactor: ${what}`, async () => {
      const before = runtime.status().reactors[0]!.stepErrors;
      errors.length = 0;
      await runtime.call('begin', what, { reactor: 0 });
      await until(() => errors.length === 1 || deaths.length === 1, `the report of ${what}`);
      expect(deaths).toEqual([]);
      expect(errors[0]).toMatchObject({ reactorId: 0, error: { message: what } });
      expect(errors[0]!.where).toMatch(where);
      expect(runtime.status().reactors[0]!.stepErrors).toBe(before + 1);
      // The reactor answers, and a timer that was not closed has gone on.
      if (what === 'rateTimer') {
        await until(async () => (await runtime.call('ticks', undefined, { reactor: 0 })) === 5, 'further ticks');
      }
      await runtime.call('ticks', undefined, { reactor: 0 });
      expect(errors.length).toBe(1);
    });
  }
});
