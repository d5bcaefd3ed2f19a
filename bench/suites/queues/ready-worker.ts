/** Both sides of `spsc-ready` and of its baseline: every wait lets the thread's loop sleep. */
import { once } from 'node:events';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { pub, sub, type FixedQueue } from 'percore/queues';
import { pinThisThread } from '../../cpus.js';
import { percentile, sleep } from '../../harness.js';

export interface ReadyWorkerData {
  readonly queues?: { readonly questions: FixedQueue; readonly answers: FixedQueue };
  readonly port?: MessagePort;
  readonly isAsking: boolean;
  readonly cpu: number;
}

const ROUNDS = 1500;
const WARMUP_ROUNDS = 300;

const { queues, port, isAsking, cpu } = workerData as ReadyWorkerData;
pinThisThread(cpu);
const [say, hear] = queues === undefined ? overMessages(port!) : overQueues(queues);
if (isAsking) parentPort!.postMessage(await ask());
else for (;;) say(~(await hear()));

async function ask(): Promise<{ p50: number; p99: number; wrong: number }> {
  const took: number[] = [];
  let wrong = 0;
  for (let round = 1; round <= WARMUP_ROUNDS + ROUNDS; round++) {
    const startMs = performance.now();
    say(round);
    if ((await hear()) !== ~round) wrong++;
    if (round > WARMUP_ROUNDS) took.push((performance.now() - startMs) * 1000);
    // Long enough for the other side to be asleep.
    await sleep(0);
  }
  took.sort((a, b) => a - b);
  return { p50: percentile(took, 50), p99: percentile(took, 99), wrong };
}

type Ends = [say: (word: number) => void, hear: () => Promise<number>];

function overQueues({ questions, answers }: { questions: FixedQueue; answers: FixedQueue }): Ends {
  const producer = pub(isAsking ? questions : answers);
  const consumer = sub(isAsking ? answers : questions);
  return [
    (word) => {
      producer.words[producer.wordOf(producer.tryClaim())] = word;
      producer.commit();
    },
    async () => {
      while (consumer.available(1) < 0) await consumer.ready();
      const word = consumer.words[consumer.wordOf()];
      consumer.release();
      return word;
    },
  ];
}

function overMessages(messages: MessagePort): Ends {
  return [(word) => messages.postMessage(word), async () => ((await once(messages, 'message')) as [number])[0]];
}
