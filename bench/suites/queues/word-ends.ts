/**
 * Ends that carry one word in each direction, over two queues or over a MessagePort. A side that waits lets its event
 * loop sleep.
 */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { pub, sub, type FixedQueue } from 'percore/queues';

export interface WordEndsSetup {
  readonly queues?: { readonly questions: FixedQueue; readonly answers: FixedQueue };
  readonly port?: MessagePort;
  readonly isAsking: boolean;
}
export type WordEnds = [say: (word: number) => void, hear: () => Promise<number>];

export function openWordEnds({ queues, port, isAsking }: WordEndsSetup): WordEnds {
  if (queues === undefined) return overMessages(port!);
  const { questions, answers } = queues;
  return isAsking ? overQueues(questions, answers) : overQueues(answers, questions);
}

function overQueues(said: FixedQueue, heard: FixedQueue): WordEnds {
  const producer = pub(said);
  const consumer = sub(heard);
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

function overMessages(messages: MessagePort): WordEnds {
  return [(word) => messages.postMessage(word), async () => ((await once(messages, 'message')) as [number])[0]];
}
