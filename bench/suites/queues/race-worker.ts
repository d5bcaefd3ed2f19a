/**
 * One side of a race: a producer, which promises slices and sends them, or the consumer, which keeps the time. See
 * race.ts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';
import { control, type Ends, type RaceResult, type RaceWorkerData } from './race.js';

const {
  ends, setup, cpu, part, producers, slice, control: controlBuffer, warmupMs, measureMs,
} = workerData as RaceWorkerData;
const words = new Int32Array(controlBuffer);

pinThisThread(cpu);
const { openProducer, openConsumer } = (await import(
  new URL(`./ends/${ends}.js`, import.meta.url).href
)) as Ends<unknown>;
if (part < 0) consume();
else produce();

function produce(): void {
  const span = openProducer(setup, part);
  arrive();
  for (let sent = 0; Atomics.load(words, control.isEnough) === 0; sent += slice) {
    Atomics.add(words, control.promised, 1);
    span(sent, slice);
  }
  Atomics.add(words, control.over, 1);
}

function consume(): void {
  const end = openConsumer(setup);
  arrive();
  let slices = 0;
  /** False if the producers have ended and everything was read. */
  const next = (): boolean => {
    while (Atomics.load(words, control.promised) === slices) {
      if (Atomics.load(words, control.over) === producers && Atomics.load(words, control.promised) === slices) {
        return false;
      }
    }
    end.consume(slices * slice, slice);
    slices++;
    return true;
  };
  for (const endMs = performance.now() + warmupMs; performance.now() < endMs;) next();
  const before = slices;
  const startMs = performance.now();
  let elapsedMs: number;
  do {
    next();
    elapsedMs = performance.now() - startMs;
  } while (elapsedMs < measureMs);
  const messages = (slices - before) * slice;
  Atomics.store(words, control.isEnough, 1);
  while (next()) continue;
  parentPort!.postMessage({ messages, seconds: elapsedMs / 1000, wrong: end.wrong() } satisfies RaceResult);
}

/** Waits until all sides are ready, so that nobody fills a queue that the other side has not opened yet. */
function arrive(): void {
  const all = producers + 1;
  if (Atomics.add(words, control.arrived, 1) + 1 === all) Atomics.notify(words, control.arrived);
  for (
    let arrived = Atomics.load(words, control.arrived);
    arrived < all;
    arrived = Atomics.load(words, control.arrived)
  ) {
    Atomics.wait(words, control.arrived, arrived);
  }
}
