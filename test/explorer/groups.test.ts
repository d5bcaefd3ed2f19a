/**
 * The ends of rings, the queues made of many rings, and those who sleep at their bells, in every order of their
 * accesses. As in rings.test.ts, each scenario has a floor of states, measured and taken a little lower.
 * `PERCORE_STRESS=1` adds the largest ones, and every start to every scenario.
 */
import { bandedQueue } from './banded-scenarios.js';
import { closingRing } from './closing-scenarios.js';
import { mpscQueue } from './mpsc-scenarios.js';
import { LONG_STARTS, STARTS, isLong, runScenarios, type Scenario } from './run-scenarios.js';
import { waitingLanes, waitingRing } from './waiting-scenarios.js';

const BYTE_STARTS = isLong ? [0, 2 ** 32 - 16] : [2 ** 32 - 16];

runScenarios('groups', {
  'a queue that a third thread closes delivers what it took, and counts the rest': [
    ...LONG_STARTS.map((start) => ({
      name: `fixed, one by one, from ${start}`, floor: 5500, run: () => closingRing({ start }),
    })),
    ...BYTE_STARTS.map((start): Scenario => ({
      name: `variable, one by one, from ${start}`, floor: 9800, isLong: true,
      run: () => closingRing({ start, isVariable: true }),
    })),
    { name: 'fixed, peeked', floor: 5500, isLong: true, run: () => closingRing({ peeks: true }) },
    { name: 'fixed, published by twos', floor: 3300, run: () => closingRing({ publishEvery: 2, messages: 5 }) },
    {
      name: 'variable, published by twos', floor: 4300,
      run: () => closingRing({ start: 2 ** 32 - 16, publishEvery: 2, messages: 5, isVariable: true }),
    },
    { name: 'fixed, by a producer that leaves', floor: 2300, run: () => closingRing({ finishes: 'leave' }) },
    {
      name: 'fixed, by twos, by a producer that leaves', floor: 880,
      run: () => closingRing({ publishEvery: 2, finishes: 'leave' }),
    },
    {
      name: 'two consumers, one of which closes', floor: 100_000,
      run: () => closingRing({ readers: 2, messages: 1, finishes: 'leave', readerCloses: true }),
    },
    {
      name: 'two consumers, one of a producer that leaves', floor: 1_900_000, isLong: true,
      run: () => closingRing({ readers: 2, messages: 1, finishes: 'leave' }),
    },
  ],
  'a consumer that closes tells its producer, which counts what nobody has read': [
    ...STARTS.map((start) => ({
      name: `fixed, behind 1, from ${start}`, floor: 170, run: () => closingRing({ start, abandonsAfter: 1 }),
    })),
    { name: 'fixed, at once', floor: 15, run: () => closingRing({ abandonsAfter: 0 }) },
    {
      name: 'fixed, behind 2, published by twos', floor: 100,
      run: () => closingRing({ abandonsAfter: 2, publishEvery: 2 }),
    },
    {
      name: 'fixed, behind 3, published by twos', floor: 170,
      run: () => closingRing({ abandonsAfter: 3, publishEvery: 2 }),
    },
    { name: 'variable, behind 2', floor: 530, run: () => closingRing({ abandonsAfter: 2, isVariable: true }) },
    {
      name: 'variable, behind 1, published by twos', floor: 100,
      run: () => closingRing({ abandonsAfter: 1, isVariable: true, publishEvery: 2 }),
    },
  ],
  'lanes keep the order of each producer, and lose and repeat nothing': [
    {
      name: 'two producers of two, from 2^32 - 2', floor: 2700,
      run: () => mpscQueue({ start: 2 ** 32 - 2, producers: [{ messages: 2 }, { messages: 2 }] }),
    },
    {
      name: 'one joins and leaves at run time', floor: 9600,
      run: () => mpscQueue({ producers: [{ messages: 2 }, { messages: 2, joins: true, leaves: true }] }),
    },
    {
      name: 'two join at the same time, of which one sends nothing', floor: 18_000,
      run: () => mpscQueue({ producers: [{ messages: 1, joins: true }, { messages: 0, joins: true }] }),
    },
    {
      name: 'two join at the same time',
      floor: 82_000,
      isLong: true,
      run: () =>
        mpscQueue({
          producers: [
            { messages: 1, joins: true }, { messages: 1, joins: true },
          ],
        }),
    },
    {
      name: 'polled, two of one and one of another', floor: 980,
      run: () => mpscQueue({ producers: [{ messages: 2 }, { messages: 1 }], polls: true }),
    },
    {
      name: 'one leaves its lane to the next',
      floor: 1300,
      run: () =>
        mpscQueue({
          lanes: 1,
          producers: [
            { messages: 2, leaves: true }, { messages: 2, joinsAfterLeaver: true },
          ],
        }),
    },
  ],
  'a lane changes hands while its producer publishes, and nothing is lost or repeated': [
    {
      name: 'the only lane, back and forth',
      floor: 19_000,
      run: () =>
        mpscQueue({
          producers: [{ messages: 3 }],
          consumers: [{ handsOver: { lane: 0, to: 1, after: 1 } }, { handsOver: { lane: 0, to: 0, after: 1 } }],
        }),
    },
    {
      name: 'one lane of two',
      floor: 12_000,
      run: () =>
        mpscQueue({
          producers: [{ messages: 2 }, { messages: 1 }], consumers: [{ handsOver: { lane: 0, to: 1, after: 1 } }, {}],
        }),
    },
    {
      name: 'by one that leaves both', floor: 10_000,
      run: () => mpscQueue({ producers: [{ messages: 2 }, { messages: 1 }], consumers: [{ leavesAfter: 1 }, {}] }),
    },
  ],
  'a queue of lanes that a third thread closes delivers what it took, and counts the rest': [
    { name: 'one producer of one', floor: 1280, run: () => mpscQueue({ closes: true, producers: [{ messages: 1 }] }) },
    {
      name: 'one producer of two that leaves', floor: 4100,
      run: () => mpscQueue({ closes: true, producers: [{ messages: 2, leaves: true }] }),
    },
    {
      name: 'one producer, whose lane a consumer leaves to another', floor: 69_000, isLong: true,
      run: () => mpscQueue({ closes: true, producers: [{ messages: 1 }], consumers: [{ leavesAfter: 0 }, {}] }),
    },
    {
      name: 'one producer that joins meanwhile', floor: 7800,
      run: () => mpscQueue({ closes: true, producers: [{ messages: 1, joins: true }] }),
    },
  ],
  'who dies at a queue of lanes stops nobody else': [
    {
      name: 'a producer, whose lane another takes', floor: 15_000,
      run: () => mpscQueue({ producers: [{ messages: 1 }, { messages: 1 }], dies: 0, heirs: 1 }),
    },
    ...LONG_STARTS.map((start) => ({
      name: `the consumer of one lane, from ${start}`, floor: 2500,
      run: () => mpscQueue({ start, producers: [{ messages: 2 }], dies: 'consumer' }),
    })),
    {
      name: 'one of two consumers, whose lane the other takes', floor: 5000,
      run: () => mpscQueue({ producers: [{ messages: 2 }], consumers: [{}, {}], dies: 'consumer', hasHeir: false }),
    },
    {
      name: 'the consumer of two lanes', floor: 15_000,
      run: () => mpscQueue({ producers: [{ messages: 1 }, { messages: 1 }], dies: 'consumer' }),
    },
  ],
  'whoever sleeps at a bell is woken when there is reason to': [
    { name: 'a consumer for records and a producer for room', floor: 19_000, run: () => waitingRing({}) },
    ...STARTS.map((start) => ({
      name: `a producer for room, from ${start}`, floor: 800, run: () => waitingRing({ start, consumerPolls: true }),
    })),
    {
      name: 'a follower for the stage before', floor: 680,
      run: () => waitingRing({ messages: 1, follows: true, producerPolls: true, consumerPolls: true }),
    },
    {
      name: 'a consumer for the end, which a third thread sets', floor: 13_600,
      run: () => waitingRing({ messages: 1, closes: true }),
    },
    {
      name: 'a consumer over lanes, one of which is joined meanwhile', floor: 4300,
      run: () => waitingLanes({ producers: [1], joins: true }),
    },
  ],
  'whoever sleeps at a bell is woken though its waker dies anywhere, when a supervisor recovers': [
    { name: 'a consumer, by a producer', floor: 29_000, run: () => waitingRing({ messages: 2, dies: 'producer' }) },
    {
      name: 'a producer, by a consumer', floor: 7500, run: () => waitingRing({ consumerPolls: true, dies: 'consumer' }),
    },
    {
      name: 'a follower, by the stage before',
      floor: 22_000,
      run: () =>
        waitingRing({ messages: 1, follows: true, producerPolls: true, consumerPolls: true, dies: 'consumer' }),
    },
    {
      name: 'a consumer, by a thread that closes', floor: 690,
      run: () => waitingRing({ messages: 0, closes: true, dies: 'closer' }),
    },
    { name: 'a consumer over lanes, by a producer', floor: 4600, run: () => waitingLanes({ producers: [1], dies: 0 }) },
  ],
  'no record of a banded queue is left behind a clear bit, and each band keeps its order': [
    ...STARTS.map((start) => ({
      name: `one low, one high, from ${start}`, floor: 1180, run: () => bandedQueue({ start, sends: [0, 5] }),
    })),
    { name: 'high, low, high', floor: 14_000, run: () => bandedQueue({ sends: [5, 0, 5] }) },
    {
      name: 'three low and one high, published by twos', floor: 2700,
      run: () => bandedQueue({ sends: [0, 0, 5, 0], publishEvery: 2 }),
    },
  ],
});
