/**
 * A queue in a file: two processes share it, at the speed at which threads share one. The child is killed amid its
 * work; the next one goes on where it has stopped.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import * as queues from 'percore/queues';

const COUNT = 200_000;
const order = queues.struct({ number: 'u32', price: 'f64' });
const memory = { name: `percore-example-${process.argv[2] ?? process.pid}` };

if (process.argv[2] === undefined) {
  const orders = queues.create({ kind: 'spsc', capacity: 1024, codec: order, memory });
  const consumer = queues.sub(orders);
  const start = () => fork(process.argv[1]!, [String(process.pid)]);
  let child = start();
  let last = -1;
  const numbers = [0, 0];
  for await (const { number } of consumer) {
    // Numbers go up; those of the second child begin anew.
    numbers[number > last ? 0 : 1]!++;
    last = number;
    if (number === 5000 && child.killed === false && numbers[1] === 0) {
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = start();
    }
  }
  rmSync(`/dev/shm/${memory.name}`);
  console.log(`the order ${last} was the last, and ${numbers[1]} child was started anew`);
} else {
  const producer = queues.pub(queues.open({ kind: 'spsc', codec: order, memory }), { publishEvery: { records: 16 } });
  for (let number = 0; number < COUNT;) {
    if (producer.offer({ number, price: number / 8 }) === queues.OK) number++;
    else await producer.room();
  }
  producer.close();
}
