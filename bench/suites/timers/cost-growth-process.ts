/**
 * `cost-growth-process.js LIVE`: the nanoseconds to create a timer and to cancel one while so many others are live,
 * including the drain into the native wheel. For `newNs` those timers are cancelled that were just created, for
 * `randomNs` any live ones, so that each is somewhere else in memory.
 */
import { create } from 'percore/timers';
import { check } from '../../harness.js';
import { mixedDelaysMs, randomNumbers } from './delays.js';

export interface CostGrowthReport {
  readonly newNs: number;
  readonly randomNs: number;
  /** How many more bytes the process has with the timers. */
  readonly bytes: number;
}

const PAIRS = 600_000;
const WARMUP_PAIRS = 300_000;

const live = Number(process.argv[2]);
// So that with a thousand live timers, too, no more than a tenth of them changes at a time.
const batch = Math.min(500, live / 10);
let fired = 0;
const callback = (): void => void fired++;

const before = process.memoryUsage().rss;
const timers = create();
const ids = new Float64Array(live);
const delaysMs = mixedDelaysMs(live);
for (let i = 0; i < live; i++) ids[i] = timers.after({ delayNs: delaysMs[i] * 1e6 }, callback);
timers.poll();
// Search the earliest timer now: opening its slot is work that belongs to the million that were armed, and not to a
// pair.
timers.nextDeadlineNs();
const bytes = process.memoryUsage().rss - before - ids.byteLength - delaysMs.byteLength;
/** So many of the live timers, or all, in random order. */
const order = Uint32Array.from({ length: live }, (_, i) => i);
const random = randomNumbers(5);
const places = Math.min(live, PAIRS + WARMUP_PAIRS);
for (let i = 0; i < places; i++) {
  const other = i + random(live - i);
  [order[i], order[other]] = [order[other], order[i]];
}

// What the caller keeps is prepared beforehand, so that only the memory of the timers is not in the cache.
const victim = new Float64Array(batch);
const delayNs = new Float64Array(batch);
let at = 0;
let cancelled = 0;
function pairNew(): void {
  for (let i = 0; i < batch; i++) victim[i] = timers.after({ delayNs: delayNs[i] }, callback);
  timers.nextDeadlineNs();
  for (let i = 0; i < batch; i++) if (timers.cancel(victim[i])) cancelled++;
  timers.nextDeadlineNs();
}
function pairRandom(): void {
  for (let i = 0; i < batch; i++) if (timers.cancel(victim[i])) cancelled++;
  timers.nextDeadlineNs();
  for (let i = 0; i < batch; i++) victim[i] = timers.after({ delayNs: delayNs[i] }, callback);
  timers.nextDeadlineNs();
}
async function measure(pair: () => void): Promise<number> {
  let totalMs = 0;
  for (let pairs = -WARMUP_PAIRS; pairs < PAIRS; pairs += batch) {
    const first = at;
    at = first + 2 * batch > places ? 0 : first + batch;
    for (let i = 0; i < batch; i++) {
      victim[i] = ids[order[first + i]];
      delayNs[i] = delaysMs[order[first + i]] * 1e6;
    }
    const startMs = performance.now();
    pair();
    if (pairs >= 0) totalMs += performance.now() - startMs;
    if (pair === pairRandom) for (let i = 0; i < batch; i++) ids[order[first + i]] = victim[i];
    // Let the loop make a pass now and then, as it would in a program.
    if (pairs % (200 * batch) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return totalMs * 1e6 / PAIRS;
}

const newNs = await measure(pairNew);
const randomNs = await measure(pairRandom);
check(cancelled === 2 * (PAIRS + WARMUP_PAIRS), `${cancelled} of ${2 * (PAIRS + WARMUP_PAIRS)} were cancelled`);
check(timers.count === live, `${timers.count} timers are live, not ${live}`);
check(fired === 0, `${fired} timers fired that were due in a minute`);
timers.close();
const report: CostGrowthReport = { newNs, randomNs, bytes };
process.stdout.write(`${JSON.stringify(report)}\n`);
