/**
 * A job queue with priorities and deadlines. Jobs are calls: the band says what goes first, `timeoutMs` until when a
 * job is wanted. What is too late when its turn comes is not begun, and costs nothing but its entry in the queue.
 *
 *     node dist/examples/programs/job-queue.js
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type PercoreError, type Reactor } from 'percore';

interface Job {
  readonly name: string;
  /** How long it works, in milliseconds. */
  readonly workMs: number;
}

interface Queue {
  calls: { work(job: Job): string; order(): string[] };
}

export default function start(reactor: Reactor<Queue>): void {
  const order: string[] = [];
  reactor.handle('work', ({ name, workMs }) => {
    order.push(name);
    // Work of the CPU: a thread of its own is what it needs.
    for (const until = performance.now() + workMs; performance.now() < until;);
    return `${name} done`;
  });
  reactor.handle('order', () => order);
}

if (isMainThread) {
  await using runtime = await createRuntime<Queue>({ entry: new URL(import.meta.url), reactors: 1 });
  const submit = async (name: string, priority: number, timeoutMs = 60_000): Promise<string> => {
    try {
      return await runtime.call('work', { name, workMs: 20 }, { reactor: 0, priority, timeoutMs });
    } catch (error) {
      if ((error as PercoreError).code === 'ERR_PERCORE_TIMEOUT') return `${name} too late`;
      throw error;
    }
  };

  const bulk = Array.from({ length: 10 }, (_, i) => submit(`bulk ${i}`, 1));
  const impatient = submit('impatient', 0, 50);
  const urgent = submit('urgent', 7);

  console.log(await urgent);
  console.log(await impatient);
  await Promise.all(bulk);
  const order = await runtime.call('order', undefined, { reactor: 0, priority: 0 });
  const place = order.at(-1) === 'urgent' ? 'came last' : 'has overtaken bulk';
  console.log(`urgent ${place}, of ${order.length} that were done`);
  console.log(`impatient was ${order.includes('impatient') ? 'begun' : 'never begun'}`);
}
