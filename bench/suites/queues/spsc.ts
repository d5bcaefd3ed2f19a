/**
 * The rows of one producer and one consumer, each pinned to a core of its own:
 *
 *   spsc-8B-single          published one by one
 *   spsc-8B-lazy            claimed one by one, published by 64
 *   spsc-8B-batch64         claimed, published and released by 64
 *   spsc-64B-lazy           as 8B-lazy, all of the record written and read
 *   spsc-1KB-batch16        copied in, claimed and published by 16
 *   spsc-variable-16-256B   records of any length, published by 64
 *
 * All rings of a row hold as many records, the C++ ones too.
 */
import { create } from 'percore/queues';
import { compare, type Bench, type Contender, type Target } from '../../harness.js';
import type { RecordsSetup } from './ends/percore-64.js';
import type { WordsSetup } from './ends/percore-each.js';
import type { VariableSetup } from './ends/percore-variable.js';
import { ringbufSetup, type RingbufSetup } from './ends/ringbuf.js';
import { lengths } from './messages.js';
import { plainThreads } from './plain-threads.js';
import { postMessage } from './post-message.js';
import { workers } from './race.js';
import { threadStream } from './thread-stream.js';

const RUNS = 9;
/** Records of 8 bytes: 512 KiB. */
const CAPACITY = 65_536;
const PAUSES = 200;
/** Pauses of the C++ rings: with fewer they are slower, see bench/baselines/README.md. */
const PLAIN_PAUSES = 64;

function bench(name: string, ours: Contender<'rate'>, baselines: readonly Contender<'rate'>[], targets: Readonly<Record<string, number>>): Bench {
  const atLeast = Object.fromEntries(Object.entries(targets).map(([baseline, ratio]): [string, Target] => [baseline, { of: 'ratio', atLeast: ratio }]));
  return {
    name,
    run: () => compare({ runs: RUNS, ours, baselines, figures: [{ of: 'rate', metric: 'rate', unit: 'M messages/s', better: 'higher', targets: atLeast }] }),
  };
}

const words = (name: string, ends: 'percore-each' | 'percore-batch', publishEvery: number): Contender<'rate'> => workers<WordsSetup>({
  name, ends, setup: () => ({ queue: create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }), publishEvery, pauses: PAUSES }),
});
const oneByOne = (name: string): Contender<'rate'> => words(name, 'percore-each', 1);
const ringbuf = (name: string, batch: number): Contender<'rate'> => workers<RingbufSetup>({ name, ends: 'ringbuf', setup: () => ringbufSetup(CAPACITY, batch, PAUSES) });
const records = (ends: string, recordBytes: number, capacity: number): Contender<'rate'> => workers<RecordsSetup>({
  name: 'percore', ends, setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes }), pauses: PAUSES }),
});

const plain = { order: 'release', recordBytes: 8, capacity: CAPACITY, pauses: PLAIN_PAUSES } as const;
const releaseEach = plainThreads({ ...plain, name: 'C++ release', pattern: 'single', batch: 1 });

export const single = bench(
  'spsc-8B-single',
  oneByOne('percore'),
  [plainThreads({ ...plain, name: 'C++ seq_cst', order: 'seq_cst', pattern: 'single', batch: 1 }), ringbuf('ringbuf.js', 1), postMessage()],
  { 'C++ seq_cst': 0.9, 'ringbuf.js': 5, postMessage: 20 },
);

export const lazy = bench(
  'spsc-8B-lazy',
  words('percore', 'percore-each', 64),
  [releaseEach, ringbuf('ringbuf.js', 1), oneByOne('one by one')],
  { 'C++ release': 0.5, 'ringbuf.js': 15 },
);

export const batch64 = bench(
  'spsc-8B-batch64',
  words('percore', 'percore-batch', 1),
  [releaseEach, plainThreads({ ...plain, name: 'C++ release batch64', pattern: 'batch', batch: 64 }), ringbuf('ringbuf.js batch64', 64)],
  { 'C++ release': 1.3, 'ringbuf.js batch64': 3 },
);

const CAPACITY_64 = 8192;
export const lazy64 = bench(
  'spsc-64B-lazy',
  records('percore-64', 64, CAPACITY_64),
  [plainThreads({ ...plain, name: 'C++ release', pattern: 'lazy', recordBytes: 64, batch: 64, capacity: CAPACITY_64 }), threadStream(new Int32Array(4096).fill(64))],
  { 'C++ release': 0.5, 'thread-stream': 5 },
);

const CAPACITY_1K = 512;
export const batch16 = bench(
  'spsc-1KB-batch16',
  records('percore-1k', 1024, CAPACITY_1K),
  [plainThreads({ ...plain, name: 'C++ release', pattern: 'batch', recordBytes: 1024, batch: 16, capacity: CAPACITY_1K }), threadStream(new Int32Array(4096).fill(1024))],
  { 'C++ release': 0.5, 'thread-stream': 5 },
);

const CAPACITY_BYTES = 1 << 19;
export const variable = bench(
  'spsc-variable-16-256B',
  workers<VariableSetup>({
    name: 'percore', ends: 'percore-variable', setup: () => ({ queue: create({ kind: 'spsc', capacityBytes: CAPACITY_BYTES }), pauses: PAUSES }),
  }),
  [plainThreads({ ...plain, name: 'C++ release', pattern: 'variable', recordBytes: 0, batch: 64, capacity: CAPACITY_BYTES }), threadStream(lengths)],
  { 'C++ release': 0.5, 'thread-stream': 5 },
);
