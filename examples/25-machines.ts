/**
 * Keyed work that two machines share over a broker: each owns half of the keys, and when one goes the other has all of
 * them. Here both are runtimes of one process; on two machines the same code runs twice. `node 25-machines.js
 * nats://127.0.0.1:4222` uses the broker there; without an address it starts one of its own.
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { createNatsConsumer, createNatsPublisher, ensureStream, joinOwners, openNats } from 'percore/nats';
import { findBroker, pause } from './own-broker.js';

const COUNT = 2000;
const RANGES = 8;

interface Machine {
  calls: { ranges(): number };
}
type Data = Record<'servers' | 'name', string>;

export default async function start(reactor: Reactor<Machine>, { servers, name }: Data): Promise<void> {
  const nats = await openNats(reactor, { servers });
  for (const each of ['work', 'results']) await ensureStream(nats, { name: each, subjects: [`${each}.>`] });
  const results = createNatsPublisher(nats, { subject: 'results', ranges: RANGES });
  const owners = await joinOwners(
    nats, { name: 'owners', stream: 'work', subject: 'work', ranges: RANGES, leaseMs: 2000, concurrency: 64 },
    // Acknowledged when the result is stored, which says for which time its owner has the range.
    (message, { range, epoch }) => results.stored(`${name} ${message.text()}`, {
      bucket: message.bucket, id: `${message.id}-${epoch}`, headers: { range: `${range}`, epoch: `${epoch}` },
    }),
  );
  reactor.handle('ranges', () => owners.status().ranges.length);
}

if (isMainThread) {
  await using broker = await findBroker(process.argv[2]);
  const machine = (name: string) => createRuntime<Machine>({
    entry: new URL(import.meta.url), reactors: 1, pin: false, data: { servers: broker.servers, name },
  });
  await using a = await machine('a');
  const b = await machine('b');
  while (await b.call('ranges', undefined) < RANGES / 2) await pause();
  await using nats = await openNats(a, { servers: broker.servers });
  const work = createNatsPublisher(nats, { subject: 'work', ranges: RANGES });
  const seen: { worker: string; number: number }[] = [];
  const epochs = new Map<string, number>();
  const known = new Set<number>();
  await createNatsConsumer(nats, { stream: 'results', name: 'results', isOnlyReader: true }, (message) => {
    const range = message.header('range')!;
    const epoch = Number(message.header('epoch'));
    // Of an owner before, whose step has ended after the range had gone to another: that one has run it again.
    if (epoch < (epochs.get(range) ?? 0)) return;
    epochs.set(range, epoch);
    const [worker, text] = message.text().split(' ');
    const number = Number(text);
    // Run again, since its acknowledgement did not arrive.
    if (known.has(number)) return;
    known.add(number);
    seen.push({ worker: worker!, number });
  });
  for (let i = 0; i < COUNT; i++) {
    await work.stored(`${i}`, { key: `key ${i % 100}` });
    // Its ranges go to the other, with what is left of their messages.
    if (i === COUNT / 2) void b.close();
  }
  while (seen.length < COUNT) await pause();
  const isLate = (number: number, at: number): boolean =>
    seen.slice(0, at).some(({ number: before }) => before > number && before % 100 === number % 100);
  const late = seen.filter(({ number }, at) => isLate(number, at));
  const names = [...new Set(seen.map(({ worker }) => worker))].sort().join(' and ');
  console.log(`${seen.length} results of ${names}, ${late.length} out of the order of their keys`);
}
