/**
 * The rings with many places, in every order of their accesses: several consumers that join, leave and read behind one
 * another, consumers that may be lapped or put out, and any party dying at any step. See rings.test.ts for the rest,
 * and for what a floor is. `PERCORE_STRESS=1` adds the largest scenarios, and every start to every one.
 */
import { lossyRing } from './lossy-scenarios.js';
import { LONG_STARTS, STARTS, runScenarios } from './run-scenarios.js';
import { spmcRing } from './spmc-scenarios.js';

/** For rings that count bytes. */
const BYTE_STARTS = [0, 2 ** 31 - 8, 2 ** 32 - 8];

runScenarios('readers', {
  'every reader gets every record, once and in order': [
    ...STARTS.map((start) => ({
      name: `two readers, from ${start}`, floor: 2500, run: () => spmcRing({ start, readers: [{}, {}] }),
    })),
    { name: 'two readers, published by twos', floor: 550, run: () => spmcRing({ publishEvery: 2, readers: [{}, {}] }) },
    { name: 'two readers, one of them peeks', floor: 2500, run: () => spmcRing({ readers: [{}, { peeks: true }] }) },
    ...LONG_STARTS.map((start) => ({
      name: `one that joins at any time, from ${start}`, floor: 20_000,
      run: () => spmcRing({ start, readers: [{}, { joins: true }] }),
    })),
    {
      name: 'one that leaves after its first', floor: 3000, run: () => spmcRing({ readers: [{ leavesAfter: 1 }, {}] }),
    },
    {
      name: 'one behind another, which writes into the records', floor: 3000,
      run: () => spmcRing({ readers: [{ marks: true }, { after: [0] }] }),
    },
    {
      name: 'declared, one behind another', floor: 3000,
      run: () => spmcRing({ declared: true, readers: [{ marks: true }, { after: [0] }] }),
    },
    {
      name: 'one behind another that leaves', floor: 10_000,
      run: () => spmcRing({ readers: [{ marks: true, leavesAfter: 1 }, { after: [0] }] }),
    },
  ],
  'a party that dies anywhere is recovered, and the others go on': [
    {
      name: 'the producer of two readers, of one message', floor: 18_000,
      run: () => spmcRing({ readers: [{}, {}], messages: 1, dies: 'producer' }),
    },
    {
      name: 'the producer of two readers', floor: 85_000, isLong: true,
      run: () => spmcRing({ readers: [{}, {}], messages: 2, dies: 'producer' }),
    },
    {
      name: 'a reader, of one message', floor: 11_000,
      run: () => spmcRing({ readers: [{}, {}], messages: 1, dies: 0, hasHeir: false }),
    },
    {
      name: 'a reader', floor: 62_000, isLong: true,
      run: () => spmcRing({ readers: [{}, {}], messages: 2, dies: 0, hasHeir: false }),
    },
    { name: 'a lapped reader', floor: 6000, run: () => lossyRing({ messages: 2, dies: 'consumer' }) },
    {
      name: 'the producer of a lapped reader', floor: 60_000, isLong: true,
      run: () => lossyRing({ messages: 3, dies: 'producer' }),
    },
  ],
  'one that may be lapped gets whole records, and counts exactly what it lost': [
    ...STARTS.map((start) => ({
      name: `fixed, from ${start}`, floor: 1500, run: () => lossyRing({ start, messages: 3 }),
    })),
    ...BYTE_STARTS.map((start) => ({
      name: `variable, from ${start}`, floor: 300, run: () => lossyRing({ start, lengths: [0, 8, 0] }),
    })),
    { name: 'fixed, four records', floor: 34_000, isLong: true, run: () => lossyRing({ messages: 4 }) },
    { name: 'fixed, evicted', floor: 13_000, run: () => lossyRing({ messages: 3, policy: 'evict' }) },
  ],
});
