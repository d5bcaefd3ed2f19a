/**
 * Keyed work that two machines share over a broker: each owns half of the keys, and when one goes the other has all of
 * them. Here both are runtimes of one process; on two machines the same code runs twice. It starts a broker, or
 * uses the one whose address it is given: `node 25-machines.js nats://127.0.0.1:4222`.
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { createNatsConsumer, createNatsPublisher, ensureStream, joinOwners, openNats } from 'percore/nats';
import { KeyedResults } from './keyed-results.js';
import { findBroker, pause } from './own-broker.js';

const COUNT = 2000;
const KEYS = 100;
const RANGES = 8;

type Machine = { calls: { ranges(): number } };
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
  const results = new KeyedResults(KEYS);
  await createNatsConsumer(
    nats, { stream: 'results', name: 'results', isOnlyReader: true }, (message) => results.take(message),
  );
  for (let i = 0; i < COUNT; i++) {
    await work.stored(`${i}`, { key: `key ${i % KEYS}` });
    // Its ranges go to the other, with what is left of their messages.
    if (i === COUNT / 2) void b.close();
  }
  while (results.count < COUNT) await pause();
  const workers = [...results.workers].sort().join(' and ');
  console.log(`${results.count} results of ${workers}, ${results.late} out of the order of their keys`);
}
