/** What was to blame, by what is known of one value. */
import { expect, it } from 'vitest';
import { causeOf, type Evidence } from './cause.js';

const evidence = (more: Partial<Evidence>): Evidence => ({
  task: 'orders', readyNs: 0, startNs: 0, endNs: 1000, ran: [], collections: [], runDelayNs: 0, stoppedNs: 0,
  wokenNs: 0, awakeNs: 0, ...more,
});

it('is the task itself where a message waited behind earlier ones of the same task', () => {
  // What follows closely is remembered as one run, the own step included.
  const ran = [{ what: 'orders', fromNs: 0, toNs: 1000 }];
  const { cause, shares } = causeOf(evidence({ startNs: 900, ran }));
  expect([cause, shares.longStep]).toEqual([{ kind: 'queuedBehind', what: 'orders', ns: 900 }, 100]);
  // And its own step where it had not waited.
  expect(causeOf(evidence({ ran })).cause).toEqual({ kind: 'longStep', what: 'orders', ns: 1000 });
});

const scavenge = { what: 'scavenge', fromNs: 1, toNs: 9 };

it.each([
  ['a collection', { collections: [scavenge] }, { kind: 'collection', what: 'scavenge', ns: 8 }],
  // The kernel had the CPU for most of the time in which the collection was under way.
  ['the kernel in the middle of a collection', { collections: [scavenge], runDelayNs: 7 },
    { kind: 'notScheduled', what: '', ns: 7 }],
  ['a collection that the kernel stopped for a moment', { collections: [scavenge], runDelayNs: 2 },
    { kind: 'collection', what: 'scavenge', ns: 8 }],
  ['another task', { ran: [{ what: 'other', fromNs: 0, toNs: 7 }] }, { kind: 'queuedBehind', what: 'other', ns: 7 }],
  ['its own step', { startNs: 1 }, { kind: 'longStep', what: 'own', ns: 9 }],
  ['nothing that took half', { ran: [{ what: 'other', fromNs: 0, toNs: 3 }] },
    { kind: 'notKnown', what: '', ns: 10 }],
] as const)('names %s', (_name, given, cause) => {
  expect(causeOf(evidence({ task: 'own', startNs: 8, endNs: 10, ...given })).cause).toEqual(cause);
});

it('is the stop, where the whole process stood still, whatever its thread was about', () => {
  const collections = [{ what: 'scavenge', fromNs: 100, toNs: 900 }];
  const { cause, shares } = causeOf(evidence({ collections, stoppedNs: 700, runDelayNs: 100 }));
  expect([cause, shares.collection]).toEqual([{ kind: 'stopped', what: '', ns: 700 }, 800]);
});
