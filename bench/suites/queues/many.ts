/**
 * Rows `mpsc-1`, `mpsc-3` and `spmc-2`, messages of 8 bytes.
 *
 * `mpsc-3` has four threads on two cores. The three producers share one core, and sleep while their lane is full; the
 * consumer has the other core to itself. The two readers of `spmc-2` are in one thread, since two threads that spin on
 * one core would measure the scheduler.
 */
import { create } from 'percore/queues';
import { compare, type Bench, type Contender, type Finding } from '../../harness.js';
import { claimRingBytes, type ClaimRingSetup } from './ends/claim-ring.js';
import type { ManySetup } from './ends/percore-mpsc.js';
import type { ReadersSetup } from './ends/percore-spmc.js';
import type { CopiesSetup } from './ends/two-copies.js';
import { workers } from './race.js';

const RUNS = 9;
export const CAPACITY = 16_384;
/** As in spsc.ts. */
const PAUSES = 2000;
const SLEEP_MS = 0.05;
/** The rate that `claim ring` must reach alone with one producer. A slower one would be no baseline. */
const LEAST_CLAIM_RING = 16;

function compareRates(
  ours: Contender<'rate'>, baseline: Contender<'rate'>, atLeast: number,
  params: Readonly<Record<string, string | number>>,
): Promise<Finding[]> {
  return compare({
    runs: RUNS,
    ours,
    baselines: [baseline],
    figures: [
      {
        of: 'rate',
        metric: 'rate',
        unit: 'M messages/s',
        better: 'higher',
        params,
        targets: { [baseline.name]: { of: 'ratio', atLeast } },
      },
    ],
  });
}

const crowdOf = (producers: number): { producers: number; pauses: number; sleepMs: number } => (
  { producers, pauses: PAUSES, sleepMs: producers > 1 ? SLEEP_MS : 0 });

/** Ours, with so many producers, which publish after every so many messages. */
export const lanes = (producers: number, publishEvery: number): Contender<'rate'> =>
  workers<ManySetup>({
    name: 'percore',
    ends: 'percore-mpsc',
    producers,
    setup: () => ({
      queue: create({ kind: 'mpsc', capacity: CAPACITY, recordBytes: 8, maxProducers: producers }),
      publishEvery,
      ...crowdOf(producers),
    }),
  });

function mpsc(producers: number): Bench {
  const claimRing = (): Contender<'rate'> =>
    workers<ClaimRingSetup>({
      name: 'claim ring',
      ends: 'claim-ring',
      producers,
      setup: () => ({
        buffer: new SharedArrayBuffer(claimRingBytes(CAPACITY)),
        capacity: CAPACITY,
        publishEvery: 1,
        ...crowdOf(producers),
      }),
    });
  return {
    name: `mpsc-${producers}`,
    async run() {
      const rows: Finding[] = [];
      for (const publishEvery of [1, 64]) {
        rows.push(...(await compareRates(lanes(producers, publishEvery), claimRing(), 1.5, { publishEvery })));
      }
      return producers > 1 ? rows : rows.map(voidBelow);
    },
  };
}

/** A row in which the claim ring is too slow says so. */
function voidBelow(row: Finding): Finding {
  const theirs = [...row.samples.baseline].sort((a, b) => a - b)[row.runs >> 1];
  return theirs >= LEAST_CLAIM_RING
    ? row
    : {
        ...row,
        target: null,
        note: `void: claim ring reached ${theirs.toFixed(1)} M messages/s, ${LEAST_CLAIM_RING} are asked`,
      };
}

export const mpsc1 = mpsc(1);
export const mpsc3 = mpsc(3);

export const spmc2: Bench = {
  name: 'spmc-2',
  async run() {
    const rows: Finding[] = [];
    for (const publishEvery of [1, 64]) {
      const ours = workers<ReadersSetup>({
        name: 'percore',
        ends: 'percore-spmc',
        setup: () => ({
          queue: create({ kind: 'spmc', capacity: CAPACITY, recordBytes: 8, maxConsumers: 2 }),
          publishEvery,
          pauses: PAUSES,
        }),
      });
      const copies = workers<CopiesSetup>({
        name: 'two SPSC copies',
        ends: 'two-copies',
        setup: () => ({
          queues: [
            create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }),
            create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }),
          ],
          publishEvery,
          pauses: PAUSES,
        }),
      });
      rows.push(...await compareRates(ours, copies, 1.5, { publishEvery }));
    }
    return rows;
  },
};
