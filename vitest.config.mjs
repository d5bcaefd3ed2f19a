import { defineConfig } from 'vitest/config';

// Tests of pure computation, with no threads, sockets or clocks: two files at a time do not disturb each other.
const computing = [
  'dist/test/explorer/*.test.js', 'test/house/*.test.mjs', 'dist/src/testing/**/*.test.js',
  'dist/src/**/*.model.test.js', 'dist/src/**/*codec*.test.js',
];
// Tests start worker threads of their own, so each file gets a process.
const shared = { pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'computing', include: computing, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      // One file at a time, so that timings mean something.
      {
        test: {
          ...shared, name: 'alone', include: ['dist/**/*.test.js', 'scripts/**/*.test.mjs', 'test/**/*.test.mjs'],
          exclude: computing, maxWorkers: 1, sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
