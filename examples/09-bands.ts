/** A queue with priorities: orders overtake quotes, and with a quantum the quotes are not starved. */
import * as queues from 'percore/queues';

const [ORDERS, QUOTES] = [7, 2];
const queue = queues.create({ kind: 'banded', capacityBytes: 4096 });
const producer = queues.pub(queue);
const consumer = queues.sub(queue, { quantum: 4 });

for (let i = 0; i < 3; i++) producer.offer(Buffer.from(`quote ${i}`), QUOTES);
for (let i = 0; i < 8; i++) producer.offer(Buffer.from(`order ${i}`), ORDERS);
producer.close();

const seen: string[] = [];
const read = (view: DataView, offset: number, length: number): void =>
  void seen.push(Buffer.from(view.buffer, view.byteOffset + offset, length).toString());
while (consumer.drain(read) !== queues.CLOSED);
console.log(seen.join(', '));
