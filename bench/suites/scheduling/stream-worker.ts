/** The worker of the baseline: a generator whose values are posted one by one and wait to be taken. */
import { parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';

const { cpu, credits: most } = workerData as { cpu: number; credits: number };
pinThisThread(cpu);

let credits = 0;
let goOn: (() => void) | undefined;

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

async function post(count: number): Promise<void> {
  credits = most;
  for await (const value of numbers(count)) {
    while (credits === 0) await new Promise<void>((resolve) => (goOn = resolve));
    credits--;
    parentPort!.postMessage(value);
  }
}

parentPort!.on('message', (message: { count?: number; credits?: number }) => {
  if (message.count !== undefined) void post(message.count);
  else {
    credits += message.credits!;
    goOn?.();
  }
});
parentPort!.postMessage('ready');
