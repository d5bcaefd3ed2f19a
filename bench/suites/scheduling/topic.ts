/**
 * Row `topic`: messages a second from a publisher on one CPU to 1, 4 and 16 subscribers. Half of these are in the same
 * thread and half in that of the other CPU; a single subscriber is in the latter. A message counts once, however many
 * subscribers get it, and the run ends when the last subscriber has got the last message.
 *
 * Every subscriber checks each number. The second baseline sends each message once to the other thread, as ours does,
 * and calls the subscribers there by an EventEmitter. It and BroadcastChannel have no backpressure, so messages that
 * were not handled yet wait in memory. The third has the advantage that batches give to ours: it sends lists of as many
 * messages. The targets are for messages that are sent one by one on the other side.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { createRuntime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import type { TopicForm, TopicProtocol } from './topic-reactor.js';
import type { TopicWorker } from './topic-worker.js';

const RUNS = 5;
const MESSAGES = 1_000_000;
const BASELINE_MESSAGES = 60_000;
const BASELINE_MESSAGES_IN_LISTS = 300_000;
const LISTS = 'EventEmitter + postMessage of lists of 64';
const FORMS: readonly TopicForm[] = ['struct', 'struct, read in place', 'struct, batches of 64'];
const SUBSCRIBERS = [1, 4, 16];

export const topic: Bench = {
  name: 'topic',
  async run() {
    const findings = [];
    for (const form of FORMS) {
      for (const subscribers of SUBSCRIBERS) {
        findings.push(
          ...(await compare({
            runs: RUNS,
            ours: percore(subscribers, form),
            baselines: [
              baseline('BroadcastChannel', subscribers), baseline('EventEmitter + postMessage', subscribers),
              ...(form === 'struct, batches of 64' ? [baseline(LISTS, subscribers)] : []),
            ],
            figures: [
              {
                of: 'rate', metric: 'rate', unit: 'messages/s', better: 'higher', params: { subscribers, form },
                targets: {
                  'BroadcastChannel': { of: 'ratio', atLeast: 20 },
                  'EventEmitter + postMessage': { of: 'ratio', atLeast: 20 },
                },
              },
            ],
          })),
        );
      }
    }
    return findings;
  },
};

/** How many of the subscribers are on the other CPU, and how many beside the publisher. */
const spread = (subscribers: number): readonly [beside: number, other: number] =>
  [subscribers >> 1, subscribers - (subscribers >> 1)];

function percore(subscribers: number, form: TopicForm): Contender<'rate'> {
  return {
    name: `percore, ${subscribers} subscribers`,
    async run() {
      await using runtime = await createRuntime<TopicProtocol>({
        entry: new URL('./topic-reactor.js', import.meta.url), reactors: 2, pin: [...twoCpus()],
      });
      const round = async (messages: number): Promise<number> => {
        for (const [reactor, count] of spread(subscribers).entries()) {
          await runtime.call('join', { subscribers: count, messages, form }, { reactor });
        }
        const heard = [0, 1].map((reactor) => runtime.call('heard', undefined, { reactor }));
        const startMs = performance.now();
        await runtime.call('publish', { messages, form }, { reactor: 0 });
        const wrong = await Promise.all(heard);
        const seconds = (performance.now() - startMs) / 1000;
        check(wrong.every((count) => count === 0), `${wrong.join(' and ')} messages came out of turn`);
        return messages / seconds;
      };
      await round(MESSAGES / 5);
      return { rate: await round(MESSAGES) };
    },
  };
}

function baseline(way: TopicWorker['way'], subscribers: number): Contender<'rate'> {
  const messages = way === LISTS ? BASELINE_MESSAGES_IN_LISTS : BASELINE_MESSAGES;
  return {
    name: way,
    async run() {
      const { port1, port2 } = new MessageChannel();
      const cpus = twoCpus();
      const channel = `percore-bench-${process.pid}-${performance.now()}`;
      const workers = spread(subscribers).map((count, i) => {
        const port = i === 0 ? port1 : port2;
        const workerData: TopicWorker = {
          cpu: cpus[i]!, way, subscribers: count, messages, port, isPublisher: i === 0, channel,
        };
        return new Worker(new URL('./topic-worker.js', import.meta.url), { workerData, transferList: [port] });
      });
      const heard = workers.map((worker) => new Promise<number>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('message', (said: 'ready' | { wrong: number }) => {
          if (said !== 'ready') resolve(said.wrong);
        });
      }));
      await Promise.all(workers.map((worker) => new Promise<void>((resolve) => {
        worker.on('message', (said) => {
          if (said === 'ready') resolve();
        });
      })));
      const startMs = performance.now();
      workers[0]!.postMessage('publish');
      const wrong = await Promise.all(heard);
      const seconds = (performance.now() - startMs) / 1000;
      check(wrong.every((count) => count === 0), `${wrong.join(' and ')} messages came out of turn`);
      const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
      for (const worker of workers) worker.postMessage('end');
      await Promise.all(exits);
      return { rate: messages / seconds };
    },
  };
}
