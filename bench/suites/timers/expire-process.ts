/**
 * `expire-process.js`: a million timers by setTimeout that are due within one millisecond. Prints the milliseconds from
 * when the first one was due until all had run.
 */
import { randomNumbers } from './delays.js';

const COUNT = 1_000_000;
const random = randomNumbers(7);
let ran = 0;
let firstMs = Infinity;
let longestMs = 0;
let lastMs = 0;
/** How long the loop served nothing else: the time between two passes. */
const watch = (): void => {
  const nowMs = performance.now();
  if (lastMs !== 0) longestMs = Math.max(longestMs, nowMs - lastMs);
  lastMs = nowMs;
  if (ran < COUNT) setImmediate(watch);
};
const run = (): void => {
  if (++ran === 1) {
    firstMs = performance.now();
    watch();
  }
  if (ran === COUNT) {
    setImmediate(() =>
      process.stdout.write(
        `${JSON.stringify({ totalMs: performance.now() - firstMs, turnMaxUs: longestMs * 1000, ran })}\n`,
      ),
    );
  }
};
const startMs = performance.now();
// The random part puts all deadlines within one millisecond; timers that are made later have that much less to wait.
for (let i = 0; i < COUNT; i++) setTimeout(run, 5000 - Math.floor(performance.now() - startMs) + random(2));
