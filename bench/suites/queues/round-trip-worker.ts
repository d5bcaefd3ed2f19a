/**
 * Both sides of `spsc-round-trip`. They look at the ring all the time, since they have nothing else to do and each
 * nanosecond counts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { pub, sub, type FixedConsumer, type FixedProducer } from 'percore/queues';
import { pinThisThread } from '../../cpus.js';
import { RoundTripClock } from '../spine/round-trip-clock.js';
import type { RoundTripWorkerData } from './round-trip.js';

const WARMUP_MS = 400;
const MEASURE_MS = 400;

const { questions, answers, isAsking, cpu } = workerData as RoundTripWorkerData;
pinThisThread(cpu);
if (isAsking) ask();
else answer();

function ask(): void {
  const producer = pub(questions);
  const consumer = sub(answers);
  const clock = new RoundTripClock();
  clock.start({ warmupMs: WARMUP_MS, measureMs: MEASURE_MS }, performance.now() * 1e6);
  let isRight = true;
  let round = 0;
  do {
    say(producer, ++round);
    isRight = hear(consumer) === ~round;
  } while (clock.note(performance.now() * 1e6, isRight));
  parentPort!.postMessage(clock.result());
}

function answer(): void {
  const consumer = sub(questions);
  const producer = pub(answers);
  // The asking side ends this side.
  for (;;) say(producer, ~hear(consumer));
}

function say(producer: FixedProducer, word: number): void {
  // At most one message is under way, so there is always room.
  producer.words[producer.wordOf(producer.tryClaim())] = word;
  producer.commit();
}

function hear(consumer: FixedConsumer): number {
  while (consumer.available(1) < 0) continue;
  const word = consumer.words[consumer.wordOf()];
  consumer.release();
  return word;
}
