/**
 * Measures messages a second from worker to worker. The contenders of all rows of `queues` are made of this.
 *
 *   main              producer(s), pinned                        consumer, pinned
 *   starts all  ───>  promise a slice, produce it  ── queue ──>  consume a slice, check every message
 *   waits             ... until the consumer has enough          warm up, then read the clock, measure, read the clock
 *
 * The consumer measures the time: 300 ms of slices between two looks at the clock, after 400 ms in which the compilers
 * of both isolates come to rest. A consumer begins a slice only if a producer has promised it, and producers send what
 * they have promised. So nobody waits for something that never comes, and at the end everything that was sent has been
 * checked. Each run has fresh isolates, so that the spread shows what the compilers happened to do. Each worker runs
 * the loops of only one contender, since code that has seen two kinds of views is slower for both.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { twoCpus } from '../../cpus.js';
import { check, type Contender } from '../../harness.js';

/** Produces or consumes `count` messages from `first` on. Waits while the queue is full or empty. */
export type Span = (first: number, count: number) => void;
export interface ConsumingEnd {
  readonly consume: Span;
  /** 0 as long as every message was the one that was due. */
  wrong(): number;
}
/** A module in ends/: the loops of one contender, as an expert user of that queue would write them. */
export interface Ends<Setup> {
  openProducer(setup: Setup, part: number): Span;
  openConsumer(setup: Setup): ConsumingEnd;
}

export interface Race<Setup> {
  readonly name: string;
  /** The name of the file in ends/, without its extension. */
  readonly ends: string;
  /** Makes what the ends share, anew for each run. It is passed to the workers by structured clone. */
  setup(): Setup;
  /** How many producers there are; 1 if left out. They share the first CPU, and the consumer has the second. */
  readonly producers?: number;
  /**
   * The messages between two looks at the clock, a multiple of every batch. Default 65,536; less for slow contenders.
   */
  readonly slice?: number;
}

export interface RaceWorkerData {
  readonly ends: string;
  readonly setup: unknown;
  readonly cpu: number;
  /** The number of a producer; -1 for the consumer. */
  readonly part: number;
  readonly producers: number;
  readonly slice: number;
  readonly control: SharedArrayBuffer;
  readonly warmupMs: number;
  readonly measureMs: number;
}
export interface RaceResult {
  readonly messages: number;
  readonly seconds: number;
  readonly wrong: number;
}

/** The indexes of words in `control`, 128 bytes apart. */
export const control = { arrived: 0, promised: 32, over: 64, isEnough: 96, bytes: 512 } as const;

const WARMUP_MS = 400;
const MEASURE_MS = 300;
const SLICE = 65_536;

/** Runs the race that `race` describes, and returns the messages a second. */
export function workers<Setup>(race: Race<Setup>): Contender<'rate'> {
  return {
    name: race.name,
    async run() {
      const { ends, producers = 1, slice = SLICE } = race;
      const [producerCpu, consumerCpu] = twoCpus();
      const shared = {
        ends,
        slice,
        setup: race.setup(),
        producers,
        control: new SharedArrayBuffer(control.bytes),
        warmupMs: WARMUP_MS,
        measureMs: MEASURE_MS,
      };
      const start = (cpu: number, part: number): Worker => {
        const workerData: RaceWorkerData = { ...shared, cpu, part };
        return new Worker(new URL('./race-worker.js', import.meta.url), { workerData });
      };
      const consuming = start(consumerCpu, -1);
      const all = [consuming, ...Array.from({ length: producers }, (_, part) => start(producerCpu, part))];
      // If one worker throws, the race ends, since the others would wait for ever.
      const failed = Promise.race(all.map(async (worker) => { throw ((await once(worker, 'error')) as [Error])[0]; }));
      failed.catch(() => undefined);
      try {
        const [result] = (await Promise.race([once(consuming, 'message'), failed])) as [RaceResult];
        return rateOf(result);
      } finally {
        await Promise.all(all.map((worker) => worker.terminate()));
      }
    },
  };
}

export function rateOf({ messages, seconds, wrong }: RaceResult): { rate: number } {
  check(wrong === 0, 'a message was lost, repeated or torn');
  return { rate: messages / seconds / 1e6 };
}
