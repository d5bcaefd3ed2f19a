import { BaseSequencer } from 'vitest/node';
import { defineConfig } from 'vitest/config';

/** What is timed, or counts wake-ups or memory of a machine that should have nothing else to do: one file at a time. */
const alone = [
  'dist/src/io/weather-load.test.js', 'dist/src/monitor/stall.test.js',
  'dist/src/reactor/{dead-waker,discipline,idle,liveness,loop-bell,nesting,priority,shared-cpu}.test.js',
  'dist/src/timers/stopped.stress.test.js',
];
/**
 * Tests of plain objects, models and texts: they start no thread and no process, wait for nothing outside of
 * themselves, and leave nothing global behind. They share a process, since a fresh one costs 0.3 s of CPU, which is as
 * much as most of them need.
 */
const plain = [
  'dist/bench/harness.test.js', 'dist/bench/suites/timers/lateness.test.js',
  'dist/src/{errno,errors}.test.js', 'dist/src/**/types.test.js',
  'dist/src/{balance,levels,queues,reactor,scheduling,tasks,timers}/*.{model,property}.test.js',
  'dist/src/balance/{hooks,plan}.test.js', 'dist/src/io/{line-reader,line-reader.stress,token}.test.js',
  'dist/src/cli/cells.test.js', 'dist/src/observe/{histogram,task-figures}.test.js',
  'dist/src/offload/band-queue.test.js',
  'dist/src/portable/timer-heap.test.js',
  'dist/src/queues/{banded-queue,chains,closing,create,deque,fixed-records,hostile-memory,is-data-view}.test.js',
  'dist/src/queues/{linked-chunks,linked-ends,linked-queue,lossy-consumer,mpsc-queue,places,policies}.test.js',
  'dist/src/queues/{recover,struct-layout,struct-view,value-chain,value-codec,variable-records,window}.test.js',
  'dist/src/reactor/{buckets,calls,failure,idle-strategy,key-hash,parking,report-limit,waiting-line}.test.js',
  'dist/src/realtime/{memory-limit,policies,topology}.test.js',
  'dist/src/scheduling/{bands,capacity,checked-discipline,choose,meter,scheduler}.test.js',
  'dist/src/simulator/market.test.js', 'dist/src/tasks/supervision.test.js',
  'dist/src/testing/virtual-memory.test.js',
  'dist/src/timers/{jitter,manual-clock,rate,rate-controller,tick-grid,timer-table,timer-wheel}.test.js',
  'dist/src/timers/{timers,timers-arguments,timers-cancel}.test.js', 'dist/src/topology/dealer.test.js',
  'dist/test/explorer/*.test.js', 'dist/test/docs/pages.test.js', 'dist/test/docs/first-hour.test.js',
  'test/house/{codes,fuzzed,imports,lines,references,surface,words}.test.mjs',
  'dist/examples/load-balancer/{line-splitter,line-splitter-pushes,options,result-format}.test.js',
  'dist/examples/resp/{keyspace,parser,parser.fuzz,reply-parser,session,slab}.test.js',
];
/**
 * Tests that end every thread and process that they have started, and look at nothing that a whole process has, such as
 * its descriptors, its memory or its handlers. They share processes as well.
 */
const tidy = [
  'dist/src/reactor/{backpressure,scaling-ends}.test.js', 'dist/src/timers/timers-reactor.test.js',
  'scripts/build.test.mjs',
];
/**
 * Tests of what users are given besides the library: the samples, the packages, the site and the code in the pages.
 * `npm run test:release` runs them, and `npm test` all others.
 */
const release = [
  'dist/examples/**/*.test.js', 'test/package/*.test.mjs', 'test/docs/*.test.mjs', 'dist/test/docs/samples.test.js',
];
/** These take longest, longest first: begun early, they do not run on when all others are done. */
const LONG = [
  'load-balancer/load-balancer', 'load-balancer/ending', 'reactor/closing', 'io/weather-files', 'kills.stress',
  'fuzz/surface', 'reactor/steering', 'reactor/forgotten', 'deaths.stress', 'package/install', 'examples/examples',
  'reactor/terminate', 'resp/hostile', 'io/draining', 'io/weather-faults', 'resp/server', 'reactor/death',
  'reactor/around-node',
];
/** Files without a process of their own stand in a row, since a process goes on only to another such file. */
const FIRST_PLAIN = [
  'explorer/groups', 'explorer/mutants', 'linked-queue.model', 'banded-queue.model', 'explorer/linked',
  'policies.model', 'explorer/rings',
];

class LongFirst extends BaseSequencer {
  async sort(files) {
    const rankIn = (list, { moduleId }) => {
      const at = list.findIndex((part) => moduleId.includes(part));
      return at < 0 ? list.length : at;
    };
    const rank = (file) => {
      if (file.project.name === 'plain') return 2000 + rankIn(FIRST_PLAIN, file);
      const rankOfLong = rankIn(LONG, file);
      return file.project.name === 'tidy' ? 1000 + rankOfLong : rankOfLong < LONG.length ? rankOfLong : 3000;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

/** How many files at a time that do not mind each other. Half of them wait for something most of the time. */
const lanes = Number(process.env.PERCORE_TEST_LANES ?? 4);
const include = ['dist/**/*.test.js', 'scripts/**/*.test.mjs', 'test/**/*.test.mjs'];
// The long forms take minutes, and longer beside other work.
const testTimeout = process.env.PERCORE_STRESS === undefined ? 60_000 : 3_600_000;
// Tests start worker threads of their own, so each file gets a process.
const shared = {
  pool: 'forks', testTimeout, hookTimeout: 60_000, setupFiles: ['scripts/test-cost.mjs'],
  // What was compiled is imported as it is: only the tests themselves go through Vite.
  server: { deps: { external: [/\/dist\/.*(?<!\.test)\.js$/] } },
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          ...shared, name: 'together', include, exclude: [...alone, ...plain, ...tidy, ...release],
          maxWorkers: lanes, sequence: { groupOrder: 0, sequencer: LongFirst },
        },
      },
      {
        test: {
          ...shared, name: 'release', include: release, exclude: plain, maxWorkers: lanes,
          sequence: { groupOrder: 0, sequencer: LongFirst },
        },
      },
      ...Object.entries({ tidy, plain }).map(([name, files]) => ({
        test: {
          ...shared, name, include: files, isolate: false, maxWorkers: lanes,
          sequence: { groupOrder: 0, sequencer: LongFirst },
        },
      })),
      { test: { ...shared, name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
