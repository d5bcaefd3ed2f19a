import { BaseSequencer } from 'vitest/node';
import { defineConfig } from 'vitest/config';

/** What is timed, or counts wake-ups or memory of a machine that should have nothing else to do: one file at a time. */
const alone = [
  'dist/bench/**/*.test.js', 'dist/src/io/weather-load.test.js', 'dist/src/monitor/stall.test.js',
  'dist/src/queues/event-count.test.js',
  'dist/src/reactor/{around-node,backpressure,death,discipline,idle,liveness,opening,priority,waits.real}.test.js',
  'dist/src/timers/{rate-timer,rate-timer.process,stopped.stress,timers-reactor}.test.js',
];
/**
 * Short tests of plain objects: they start no thread and no process, wait for nothing, and leave nothing global behind.
 * They share a process, since a fresh one costs each as much as its tests or more.
 */
const plain = [
  'dist/src/{errno,errors}.test.js', 'dist/src/balance/{hooks,plan}.test.js',
  'dist/src/io/{line-reader,token}.test.js', 'dist/src/observe/histogram.test.js',
  'dist/src/offload/band-queue.test.js', 'dist/src/portable/timer-heap.test.js',
  'dist/src/queues/{chains,closing,create,fixed-records,linked-chunks,linked-ends,linked-queue,lossy-consumer}.test.js',
  'dist/src/queues/{struct-layout,struct-view,variable-records}.test.js',
  'dist/src/reactor/{buckets,failure,idle-strategy,key-hash,parking,waiting-line}.test.js',
  'dist/src/scheduling/{bands,capacity,checked-discipline,choose,scheduler}.test.js',
  'dist/src/tasks/supervision.test.js', 'dist/src/testing/virtual-memory.test.js',
  'dist/src/timers/{jitter,manual-clock,rate,rate-controller,tick-grid,timer-table,timer-wheel}.test.js',
  'dist/src/topology/dealer.test.js',
  'dist/examples/load-balancer/{line-splitter,options,result-format}.test.js',
  'dist/examples/resp/{keyspace,parser,reply-parser,session,slab}.test.js',
];
/** These take longest, longest first: begun early, they do not run on when all others are done. */
const LONG = [
  'weather-faults', 'reactor/terminate', 'reactor/closing', 'kills.stress', 'fuzz/surface', 'reactor/steering',
  'load-balancer/load-balancer', 'load-balancer/ending', 'explorer/groups', 'reactor/forgotten', 'io/draining',
  'linked-queue.model', 'policies.model', 'explorer/mutants', 'explorer/linked', 'explorer/rings',
];

class LongFirst extends BaseSequencer {
  async sort(files) {
    const rank = ({ moduleId }) => {
      const at = LONG.findIndex((part) => moduleId.includes(part));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

/** How many files at a time that do not mind each other. Half of them wait for something most of the time. */
const lanes = Number(process.env.PERCORE_TEST_LANES ?? 3);
const include = ['dist/**/*.test.js', 'scripts/**/*.test.mjs', 'test/**/*.test.mjs'];
// Tests start worker threads of their own, so each file gets a process.
const shared = {
  pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000,
  // What was compiled is imported as it is: only the tests themselves go through Vite.
  server: { deps: { external: [/\/dist\/.*(?<!\.test)\.js$/] } },
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          ...shared, name: 'together', include, exclude: [...alone, ...plain], maxWorkers: lanes,
          sequence: { groupOrder: 0, sequencer: LongFirst },
        },
      },
      {
        test: {
          ...shared, name: 'plain', include: plain, isolate: false, maxWorkers: lanes,
          sequence: { groupOrder: 0, sequencer: LongFirst },
        },
      },
      { test: { ...shared, name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
