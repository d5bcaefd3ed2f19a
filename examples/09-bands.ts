/**
 * A queue with priorities: orders overtake the quotes that came before them. The quantum lets one record of a lower
 * band pass after four of a higher one, so the quotes are never starved.
 */
import * as queues from 'percore/queues';

const [ORDERS, QUOTES] = [7, 2];
const queue = queues.create({ kind: 'banded', capacityBytes: 4096 });
const producer = queues.pub(queue);
const consumer = queues.sub(queue, { quantum: 4 });

function publish(text: string, band: number): void {
  if (producer.offer(Buffer.from(text), band) !== queues.OK) throw new Error(`There is no room for ${text}.`);
}
for (let i = 0; i < 3; i++) publish(`quote ${i}`, QUOTES);
for (let i = 0; i < 8; i++) publish(`order ${i}`, ORDERS);
producer.close();

const seen: string[] = [];
while ((await consumer.ready()) === queues.OK) {
  consumer.drain(({ buffer, byteOffset }, offset, length) => {
    seen.push(Buffer.from(buffer, byteOffset + offset, length).toString());
  });
}
console.log(seen.join(', '));
