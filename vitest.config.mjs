import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['dist/**/*.test.js', 'scripts/**/*.test.mjs'],
    // Tests start worker threads of their own, so each file gets a process; one at a time, so that timings mean something.
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 60_000,
  },
});
