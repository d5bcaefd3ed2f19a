/**
 * `expire-process.js`: setTimeout, a million due within one millisecond. Prints milliseconds from the first that was
 * due until all had run.
 */
import { randomNumbers } from './delays.js';

const COUNT = 1_000_000;
const random = randomNumbers(7);
let ran = 0;
let firstMs = Infinity;
let longestMs = 0;
let lastMs = 0;
/** How long the loop was away from everything else: between two passes of it. */
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
// Two delays stand for one millisecond of deadlines; those made later have less of it left.
for (let i = 0; i < COUNT; i++) setTimeout(run, 5000 - Math.floor(performance.now() - startMs) + random(2));
