/**
 * The rows of one producer and one consumer, each pinned to a core of its own:
 *
 *   spsc-8B-single          published one by one
 *   spsc-8B-lazy            claimed one by one, published by 64
 *   spsc-8B-batch64         claimed, published and released by 64
 *   spsc-64B-lazy           as 8B-lazy; the whole record is written and read
 *   spsc-1KB-batch16        copied in, claimed and published by 16
 *   spsc-variable-16-256B   records of any length, published by 64
 *
 * All rings of a row hold the same number of records, including those in C++.
 */
import { create } from 'percore/queues';
import { compare, type Bench, type Contender, type Finding, type Target } from '../../harness.js';
import type { RecordsSetup } from './ends/percore-64.js';
import type { WordsSetup } from './ends/percore-each.js';
import type { VariableSetup } from './ends/percore-variable.js';
import { ringbufSetup, type RingbufSetup } from './ends/ringbuf.js';
import { LENGTHS, lengths } from './messages.js';
import { plainThreads } from './plain-threads.js';
import { postMessage } from './post-message.js';
import { workers } from './race.js';
import { threadStream } from './thread-stream.js';

const RUNS = 9;
/** With records of 8 bytes these are 128 KiB, which is more than a core's first cache and less than its second. */
const CAPACITY = 16_384;
/**
 * 16 KiB, which fits into the first cache of both cores. This is best for C++, which is then twice as fast as with any
 * larger ring, while TypeScript gains nothing. So the rows that have C++ as a baseline are measured with this size too.
 */
const SMALL_CAPACITY = 2048;
/** The number of empty steps when the ring is full or empty, which take about 1 µs. */
const PAUSES = 2000;
/** The same for C++. With fewer it is slower, and with more it is not faster: see bench/baselines/README.md. */
const PLAIN_PAUSES = 64;

type Params = Readonly<Record<string, string | number>>;
type Targets = Readonly<Record<string, number>>;

function rows(
  ours: Contender<'rate'>,
  baselines: readonly Contender<'rate'>[],
  targets: Targets,
  params: Params = {},
): Promise<Finding[]> {
  const atLeast = Object.fromEntries(
    Object.entries(targets).map(([baseline, ratio]): [string, Target] => [baseline, { of: 'ratio', atLeast: ratio }]),
  );
  return compare({
    runs: RUNS,
    ours,
    baselines,
    figures: [{ of: 'rate', metric: 'rate', unit: 'M messages/s', better: 'higher', params, targets: atLeast }],
  });
}

const words = (
  name: string, ends: 'percore-each' | 'percore-batch', publishEvery: number, capacity = CAPACITY, pauses = PAUSES,
): Contender<'rate'> =>
  workers<WordsSetup>({
    name,
    ends,
    setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes: 8 }), publishEvery, pauses }),
  });
const ringbuf = (name: string, batch: number): Contender<'rate'> =>
  workers<RingbufSetup>({ name, ends: 'ringbuf', setup: () => ringbufSetup(CAPACITY, batch, PAUSES) });
const records = (ends: 'percore-64' | 'percore-1k', recordBytes: number, capacity: number): Contender<'rate'> =>
  workers<RecordsSetup>({
    name: 'percore',
    ends,
    setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes }), pauses: PAUSES }),
  });

const plain = { order: 'release', recordBytes: 8, capacity: CAPACITY, pauses: PLAIN_PAUSES } as const;
const plainEach = (capacity: number): Contender<'rate'> =>
  plainThreads({ ...plain, name: 'C++ release', pattern: 'single', batch: 1, capacity });
const plainBatch64 = (capacity: number): Contender<'rate'> =>
  plainThreads({ ...plain, name: 'C++ release batch64', pattern: 'batch', batch: 64, capacity });

export const single: Bench = {
  name: 'spsc-8B-single',
  async run() {
    const plainSeqCst = (pauses: number): Contender<'rate'> =>
      plainThreads({ ...plain, name: 'C++ seq_cst', order: 'seq_cst', pattern: 'single', batch: 1, pauses });
    return [
      // This is how rings are usually measured: a side that finds nothing looks again at once, and so takes the
      // cursor's line away from the other side.
      ...(await rows(
        words('percore', 'percore-each', 1, CAPACITY, 0), [plainSeqCst(0)], { 'C++ seq_cst': 0.9 },
        { waiting: 'looks at once' },
      )),
      // A side that waits for a microsecond lets the other one work. Then the store is cheap, and what is left is what
      // each language adds to it.
      ...(await rows(
        words('percore', 'percore-each', 1), [plainSeqCst(PLAIN_PAUSES), ringbuf('ringbuf.js', 1), postMessage()],
        { 'ringbuf.js': 5, postMessage: 20 }, { waiting: 'pauses' },
      )),
    ];
  },
};

export const lazy: Bench = {
  name: 'spsc-8B-lazy',
  async run() {
    const ours = (capacity: number): Contender<'rate'> => words('percore', 'percore-each', 64, capacity);
    return [
      ...(await rows(
        ours(CAPACITY), [plainEach(CAPACITY), ringbuf('ringbuf.js', 1), words('one by one', 'percore-each', 1)],
        { 'C++ release': 0.5, 'ringbuf.js': 15 }, { capacity: CAPACITY },
      )),
      ...(await rows(ours(SMALL_CAPACITY), [plainEach(SMALL_CAPACITY)], {}, { capacity: SMALL_CAPACITY })),
    ];
  },
};

export const batch64: Bench = {
  name: 'spsc-8B-batch64',
  async run() {
    const ours = (capacity: number): Contender<'rate'> => words('percore', 'percore-batch', 1, capacity);
    return [
      ...(await rows(
        ours(CAPACITY), [plainEach(CAPACITY), plainBatch64(CAPACITY), ringbuf('ringbuf.js batch64', 64)],
        { 'C++ release': 1.3, 'ringbuf.js batch64': 3 }, { capacity: CAPACITY },
      )),
      ...(await rows(
        ours(SMALL_CAPACITY), [plainEach(SMALL_CAPACITY), plainBatch64(SMALL_CAPACITY)], {},
        { capacity: SMALL_CAPACITY },
      )),
    ];
  },
};

const LARGE_TARGETS = { 'C++ release': 0.5, 'thread-stream': 5 };

const CAPACITY_64 = 2048;
export const lazy64: Bench = {
  name: 'spsc-64B-lazy',
  run: () =>
    rows(
      records('percore-64', 64, CAPACITY_64),
      [
        plainThreads({
          ...plain, name: 'C++ release', pattern: 'lazy', recordBytes: 64, batch: 64, capacity: CAPACITY_64,
        }),
        threadStream(new Int32Array(LENGTHS).fill(64)),
      ],
      LARGE_TARGETS,
    ),
};

const CAPACITY_1K = 256;
export const batch16: Bench = {
  name: 'spsc-1KB-batch16',
  run: () =>
    rows(
      records('percore-1k', 1024, CAPACITY_1K),
      [
        plainThreads({
          ...plain, name: 'C++ release', pattern: 'batch', recordBytes: 1024, batch: 16, capacity: CAPACITY_1K,
        }),
        threadStream(new Int32Array(LENGTHS).fill(1024)),
      ],
      LARGE_TARGETS,
    ),
};

const CAPACITY_BYTES = 1 << 17;
export const variable: Bench = {
  name: 'spsc-variable-16-256B',
  run: () =>
    rows(
      workers<VariableSetup>({
        name: 'percore',
        ends: 'percore-variable',
        setup: () => ({ queue: create({ kind: 'spsc', capacityBytes: CAPACITY_BYTES }), pauses: PAUSES }),
      }),
      [
        plainThreads({
          ...plain, name: 'C++ release', pattern: 'variable', recordBytes: 0, batch: 64, capacity: CAPACITY_BYTES,
        }),
        threadStream(lengths),
      ],
      LARGE_TARGETS,
    ),
};
