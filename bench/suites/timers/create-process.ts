/**
 * `create-process.js after|at|setTimeout 'as created'|shuffled`: creates and cancels timers while a million others are
 * live, and prints how many a second. The timers that were created are cancelled after the wheel has taken them, in the
 * same order or in a random one. `after` reads the clock for each timer; with `at`, one reading serves a batch.
 */
import { create } from 'percore/timers';
import { check } from '../../harness.js';
import { mixedDelaysMs, randomNumbers, LEAST_MS } from './delays.js';

export interface CreateReport {
  readonly createRate: number;
  readonly cancelRate: number;
}

const LIVE = 1_000_000;
const BATCH = 100_000;
const WARMUP_ROUNDS = 4;
const ROUNDS = 10;

/**
 * The operations of one side that are measured, a batch at a time. Nothing follows the loop in `create` and `cancel`:
 * V8 compiles such a function while its loop runs for the first time, and leaves that code again, in each batch, where
 * the loop ends and something follows of which it has not seen yet what it does.
 */
interface Side {
  fill(delaysMs: Float64Array): void;
  create(delaysMs: Float64Array): void;
  /** Returns how many were cancelled. */
  cancel(order: Uint32Array): number;
  /** Hands over what the last batch has gathered. It belongs to the time of the batch. */
  drain(): void;
  /** Throws unless exactly the million timers are live. */
  verify(): void;
}

let fired = 0;
const callback = (): void => void fired++;

function percore(how: 'after' | 'at'): Side {
  const timers = create();
  const ids = new Float64Array(BATCH);
  let earliestNs = Infinity;
  // Drains what is left in the array of requests. What did not fit into it was drained before.
  const drain = (): number => timers.nextDeadlineNs();
  return {
    fill(delaysMs) {
      for (const delayMs of delaysMs) timers.after({ delayNs: delayMs * 1e6 }, callback);
      timers.poll();
      earliestNs = drain();
    },
    create(delaysMs) {
      if (how === 'after') {
        for (let i = 0; i < BATCH; i++) ids[i] = timers.after({ delayNs: delaysMs[i] * 1e6 }, callback);
      } else {
        const nowNs = timers.nowNs();
        for (let i = 0; i < BATCH; i++) ids[i] = timers.at({ deadlineNs: nowNs + delaysMs[i] * 1e6 }, callback);
      }
    },
    cancel(order) {
      let cancelled = 0;
      for (let i = 0; i < BATCH; i++) if (timers.cancel(ids[order[i]])) cancelled++;
      return cancelled;
    },
    drain,
    verify() {
      check(timers.count === LIVE, `${timers.count} timers are live, not ${LIVE}`);
      check(drain() === earliestNs, 'the earliest of the million is not the earliest any more');
      check(ids.every((id) => !timers.cancel(id)), 'a number that was cancelled means something');
      timers.close();
    },
  };
}

function nodeTimers(): Side {
  const handles = new Array<NodeJS.Timeout>(BATCH);
  const base: NodeJS.Timeout[] = [];
  return {
    fill(delaysMs) {
      for (const delayMs of delaysMs) base.push(setTimeout(callback, delayMs));
    },
    create(delaysMs) {
      for (let i = 0; i < BATCH; i++) handles[i] = setTimeout(callback, delaysMs[i]);
    },
    cancel(order) {
      for (let i = 0; i < BATCH; i++) clearTimeout(handles[order[i]]);
      return BATCH;
    },
    drain() {},
    verify() {
      for (const handle of base) clearTimeout(handle);
    },
  };
}

const [who, order] = process.argv.slice(2);
const side = who === 'setTimeout' ? nodeTimers() : percore(who === 'at' ? 'at' : 'after');
const random = randomNumbers(3);
const sequence = Uint32Array.from({ length: BATCH }, (_, i) => i);
if (order === 'shuffled') {
  for (let i = BATCH - 1; i > 0; i--) {
    const other = random(i + 1);
    [sequence[i], sequence[other]] = [sequence[other], sequence[i]];
  }
}
// Later than the earliest of the million, so that that one stays the earliest.
const delaysMs = mixedDelaysMs(BATCH, 2).map((delayMs) => delayMs + LEAST_MS);
side.fill(mixedDelaysMs(LIVE));
let [createMs, cancelMs] = [0, 0];
for (let round = -WARMUP_ROUNDS; round < ROUNDS; round++) {
  // Let the loop make a pass in between, as it would in a program.
  await new Promise((resolve) => setImmediate(resolve));
  const startMs = performance.now();
  side.create(delaysMs);
  side.drain();
  const middleMs = performance.now();
  const cancelled = side.cancel(sequence);
  side.drain();
  const endMs = performance.now();
  check(cancelled === BATCH, `${cancelled} of ${BATCH} were cancelled`);
  if (round < 0) continue;
  createMs += middleMs - startMs;
  cancelMs += endMs - middleMs;
}
side.verify();
check(fired === 0, `${fired} timers fired that were due in a minute`);
const report: CreateReport = {
  createRate: ((BATCH * ROUNDS) / createMs) * 1000,
  cancelRate: ((BATCH * ROUNDS) / cancelMs) * 1000,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
