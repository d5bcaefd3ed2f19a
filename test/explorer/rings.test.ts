/**
 * The shipped rings of one producer and one consumer, and the shipped wake-up, in every order of their accesses. Each
 * scenario has a floor of states, measured and taken a little lower: a check that silently stopped exploring fails.
 * `PERCORE_STRESS=1` adds the largest scenarios. That the explorer explores is shown in explorer.test.ts.
 */
import { expect } from 'vitest';
import type { Report } from '../../src/testing/explorer.js';
import { fixedRing } from './fixed-scenarios.js';
import { parkHandshake, roomHandshake } from './park-scenarios.js';
import { LONG_STARTS, STARTS, runScenarios } from './run-scenarios.js';
import { variableRing } from './variable-scenarios.js';

const BYTE_STARTS = [0, 2 ** 31 - 8, 2 ** 32 - 8];
/** Both have padding at the wrap, from every start. */
const MIXED = [8, 0, 5, 8, 0, 3];
const MIXED_64 = [24, 0, 5, 8, 17, 3, 16, 1, 24];

/** The scenario is only worth its name if some record does not fit before the ring's end. */
function withPadding<R extends Report & { paddings: number }>(report: R): R {
  expect(report.paddings).toBeGreaterThan(0);
  return report;
}

runScenarios('rings', {
  'a fixed ring delivers everything once and in order': [
    ...STARTS.flatMap((start) => [
      { name: `6 published one by one, from ${start}`, floor: 240, run: () => fixedRing({ start }) },
      { name: `6 published by twos, from ${start}`, floor: 56, run: () => fixedRing({ start, publishEvery: 2 }) },
      {
        name: `7 published by twos, the last by flush, from ${start}`, floor: 72,
        run: () => fixedRing({ start, messages: 7, publishEvery: 2 }),
      },
      { name: `6 claimed by twos, from ${start}`, floor: 56, run: () => fixedRing({ start, batch: 2 }) },
      {
        name: `10 through 4, claimed by twos, published by threes, peeked by twos, from ${start}`, floor: 340,
        run: () => fixedRing({ start, capacity: 4, messages: 10, batch: 2, publishEvery: 3, read: 'peek', limit: 2 }),
      },
      {
        name: `12 through 4, one by one, from ${start}`, floor: 2700,
        run: () => fixedRing({ start, capacity: 4, messages: 12 }),
      },
    ]),
    { name: '6 offered and polled', floor: 290, run: () => fixedRing({ write: 'offer', read: 'poll' }) },
    { name: '6 drained one at a time', floor: 290, run: () => fixedRing({ limit: 1 }) },
  ],
  'a variable ring delivers everything once and in order': BYTE_STARTS.flatMap((start) => [
    {
      name: `6 mixed lengths, drained, from ${start}`, floor: 320,
      run: () => withPadding(variableRing({ start, lengths: MIXED })),
    },
    {
      name: `6 mixed lengths, offered and polled, from ${start}`, floor: 300,
      run: () => withPadding(variableRing({ start, lengths: MIXED, write: 'offer', read: 'poll' })),
    },
    {
      name: `6 mixed lengths, published by twos and peeked, from ${start}`, floor: 220,
      run: () => withPadding(variableRing({ start, lengths: MIXED, publishEvery: 2, read: 'peek' })),
    },
    {
      name: `9 mixed lengths through 64 bytes, from ${start}`, floor: 1700,
      run: () => withPadding(variableRing({ start, capacityBytes: 64, lengths: MIXED_64 })),
    },
  ]),
  'a producer that dies anywhere loses what it had not published, and nothing else': [
    ...STARTS.map((start) => ({
      name: `fixed, one by one, from ${start}`, floor: 350, run: () => fixedRing({ start, dies: 'producer' }),
    })),
    { name: 'fixed, published by twos', floor: 92, run: () => fixedRing({ dies: 'producer', publishEvery: 2 }) },
    { name: 'fixed, claimed by twos', floor: 92, run: () => fixedRing({ dies: 'producer', batch: 2 }) },
    {
      name: 'fixed, while it closes', floor: 130,
      run: () => fixedRing({ dies: 'producer', publishEvery: 2, messages: 5, closes: true }),
    },
    { name: 'variable, one by one', floor: 500, run: () => variableRing({ dies: 'producer', lengths: MIXED }) },
    {
      name: 'variable, published by twos', floor: 180,
      run: () => variableRing({ dies: 'producer', lengths: MIXED, publishEvery: 2 }),
    },
  ],
  'a consumer that dies anywhere leaves a producer that is refused and overwrites nothing': [
    ...STARTS.map((start) => ({
      name: `fixed, one by one, from ${start}`, floor: 320, run: () => fixedRing({ start, dies: 'consumer' }),
    })),
    { name: 'fixed, published by twos', floor: 72, run: () => fixedRing({ dies: 'consumer', publishEvery: 2 }) },
    { name: 'fixed, claimed by twos', floor: 72, run: () => fixedRing({ dies: 'consumer', batch: 2 }) },
    { name: 'fixed, peeked', floor: 320, run: () => fixedRing({ dies: 'consumer', read: 'peek' }) },
    { name: 'variable, one by one', floor: 470, run: () => variableRing({ dies: 'consumer', lengths: MIXED }) },
    {
      name: 'variable, published by twos', floor: 170,
      run: () => variableRing({ dies: 'consumer', lengths: MIXED, publishEvery: 2 }),
    },
  ],
  "who takes a dead one's place goes on where it stood, whoever comes first": [
    {
      name: 'a consumer that does not wait for the supervisor, of one message', floor: 30_000,
      run: () => fixedRing({ dies: 'consumer', recovers: true, closes: true, messages: 1, isImpatient: true }),
    },
    {
      name: 'a consumer that does not wait for the supervisor', floor: 80_000, isLong: true,
      run: () => fixedRing({ dies: 'consumer', recovers: true, closes: true, messages: 2, isImpatient: true }),
    },
    {
      name: 'a producer, when two supervisors recover', floor: 140_000, isLong: true,
      run: () => fixedRing({ dies: 'producer', recovers: true, closes: true, messages: 2, supervisors: 2 }),
    },
  ],
  'closing loses nothing': [
    ...STARTS.map((start) => ({
      name: `a consumer sees all records, then CLOSED, from ${start}`, floor: 340,
      run: () => fixedRing({ start, closes: true }),
    })),
    {
      name: 'a consumer that polls sees all records, then CLOSED', floor: 390,
      run: () => fixedRing({ closes: true, write: 'offer', read: 'poll' }),
    },
    {
      name: 'close publishes what was lazy', floor: 56,
      run: () => fixedRing({ closes: true, publishEvery: 2, messages: 5 }),
    },
    {
      name: 'a consumer of variable records sees all, then CLOSED', floor: 490,
      run: () => variableRing({ closes: true, lengths: MIXED }),
    },
    {
      name: 'a producer gets CLOSED when the consumer has gone', floor: 440, run: () => fixedRing({ abandonsAfter: 2 }),
    },
  ],
  'a producer that sleeps until there is room is always told': [
    ...LONG_STARTS.map((start) => ({
      name: `fixed, from ${start}`, floor: 11000, run: () => fixedRing({ start, asks: true }),
    })),
    {
      name: 'two at a time, released one at a time', floor: 3000,
      run: () => fixedRing({ asks: true, batch: 2, limit: 1 }),
    },
    { name: 'published by twos', floor: 1000, run: () => fixedRing({ asks: true, publishEvery: 2 }) },
    { name: 'variable', floor: 18000, run: () => variableRing({ asks: true, lengths: MIXED }) },
    {
      name: 'variable, peeked, from 2^32 - 8', floor: 12000, isLong: true,
      run: () => variableRing({ asks: true, lengths: MIXED, read: 'peek', start: 2 ** 32 - 8 }),
    },
    { name: 'by summon, though it parks', floor: 30000, run: () => roomHandshake({ messages: 6 }) },
    { name: 'when the consumer closes', floor: 790, run: () => fixedRing({ asks: true, abandonsAfter: 2 }) },
  ],
  // The order in turn.cc, and the other one: neither may matter.
  ...Object.fromEntries(
    [false, true].map((collectsFirst) => [
      `no record lies unread beside a party that sleeps and, woken, `
        + `${collectsFirst ? 'reads its eventfd, then stores AWAKE' : 'stores AWAKE, then reads its eventfd'}`,
      [
        ...STARTS.map((start) => ({
          name: `two messages of one producer, from ${start}`, floor: 210,
          run: () => parkHandshake({ start, producers: [2], collectsFirst }),
        })),
        {
          name: 'three messages of one producer', floor: 700,
          run: () => parkHandshake({ producers: [3], collectsFirst }),
        },
        {
          name: 'one message each of two producers', floor: 1100,
          run: () => parkHandshake({ producers: [1, 1], collectsFirst }),
        },
        {
          name: 'two messages each of two producers', floor: 14_000,
          run: () => parkHandshake({ producers: [2, 2], collectsFirst }),
        },
        {
          name: 'two messages above the band that runs', floor: 320,
          run: () => parkHandshake({ producers: [2], runsBand: 2, collectsFirst }),
        },
        {
          name: 'one message each of two producers, above the band that runs', floor: 2600,
          run: () => parkHandshake({ producers: [1, 1], runsBand: 2, collectsFirst }),
        },
        {
          name: 'one message each of two producers, while libuv wakes it for its own sake', floor: 3800,
          run: () => parkHandshake({ producers: [1, 1], wakesByItself: true, collectsFirst }),
        },
      ],
    ]),
  ),
  'a waker that dies anywhere leaves no sleeper, once the supervisor has written the eventfd': [
    {
      name: 'two messages of one producer', floor: 790,
      run: () => parkHandshake({ producers: [2], deathMeets: 'eventfd' }),
    },
    {
      name: 'one message each of two producers', floor: 5500,
      run: () => parkHandshake({ producers: [1, 1], deathMeets: 'eventfd' }),
    },
    {
      name: 'two messages of one and one of another producer', floor: 20_000, isLong: true,
      run: () => parkHandshake({ producers: [2, 1], deathMeets: 'eventfd' }),
    },
    {
      name: 'one message each of two producers, while libuv wakes it for its own sake', floor: 18_000,
      run: () => parkHandshake({ producers: [1, 1], deathMeets: 'eventfd', wakesByItself: true }),
    },
  ],
});
