/** What was to blame, by what is known of one value. */
import { expect, it } from 'vitest';
import { causeOf, type Evidence } from './cause.js';

const evidence = (more: Partial<Evidence>): Evidence => ({
  task: 'orders', readyNs: 0, startNs: 0, endNs: 1000, ran: [], collections: [], runDelayNs: 0, wokenNs: 0, awakeNs: 0,
  ...more,
});

it('is the task itself where a message waited behind earlier ones of the same task', () => {
  // What follows closely is remembered as one run, the own step included.
  const ran = [{ what: 'orders', fromNs: 0, toNs: 1000 }];
  const { cause, shares } = causeOf(evidence({ startNs: 900, ran }));
  expect([cause, shares.longStep]).toEqual([{ kind: 'queuedBehind', what: 'orders', ns: 900 }, 100]);
  // And its own step where it had not waited.
  expect(causeOf(evidence({ ran })).cause).toEqual({ kind: 'longStep', what: 'orders', ns: 1000 });
});
