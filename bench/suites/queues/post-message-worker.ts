/**
 * Both workers of `postMessage`. The producer posts without returning to its event loop, which is the fastest way. It
 * stops while 50,000 messages are under way, since `postMessage` itself has no limit and would fill the memory.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';
import type { PostMessageWorkerData } from './post-message.js';
import type { RaceResult } from './race.js';

const WARMUP_MS = 400;
const MEASURE_MS = 500;
const MOST_UNDER_WAY = 50_000;
/** After so many messages a side looks at the shared words. */
const SLICE = 1000;
const RECEIVED = 0;
const IS_ENOUGH = 1;

const { port, cpu, isProducing, shared } = workerData as PostMessageWorkerData;
const words = new Int32Array(shared);
pinThisThread(cpu);
if (isProducing) produce();
else consume();

function produce(): void {
  let sequence = 0;
  while (Atomics.load(words, IS_ENOUGH) === 0) {
    for (const end = sequence + SLICE; sequence < end; sequence++) port.postMessage(sequence);
    for (
      let received = Atomics.load(words, RECEIVED);
      sequence - received > MOST_UNDER_WAY;
      received = Atomics.load(words, RECEIVED)
    ) {
      Atomics.wait(words, RECEIVED, received, 1);
    }
  }
  port.postMessage(-1);
  port.close();
}

function consume(): void {
  let sequence = 0;
  let wrong = 0;
  let seconds = 0;
  let before = 0;
  let messages = 0;
  let startMs = 0;
  const bornMs = performance.now();
  port.on('message', (message: number) => {
    if (message === -1) {
      port.close();
      parentPort!.postMessage({ messages, seconds, wrong } satisfies RaceResult);
      return;
    }
    if (message !== sequence++) wrong++;
    if (sequence % SLICE !== 0) return;
    Atomics.store(words, RECEIVED, sequence);
    Atomics.notify(words, RECEIVED);
    const nowMs = performance.now();
    if (startMs === 0) {
      if (nowMs - bornMs < WARMUP_MS) return;
      startMs = nowMs;
      before = sequence;
    } else if (seconds === 0 && nowMs - startMs >= MEASURE_MS) {
      messages = sequence - before;
      seconds = (nowMs - startMs) / 1000;
      Atomics.store(words, IS_ENOUGH, 1);
    }
  });
}
