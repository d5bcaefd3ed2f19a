/**
 * A linked queue under the explorer: chunks, their table, growth, and both deaths with a successor. Record `n` (from 1)
 * has type n and a payload of the bytes 16n, 16n + 1, ...; where it must lie in the sequence is computed here, by an
 * own sum.
 *
 * In every state it is asked what a producer would find that took over in it: every chunk that the buffer holds, once.
 */
import { linkedLayout, queueLayout, placeLayout } from '../../src/layout.js';
import { ASK_FOR_ROOM, ON_ROOM } from '../../src/queues/doors.js';
import type { LinkedConsumer, LinkedProducer } from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { seenFrom } from '../../src/queues/mark.js';
import { assert, makeWorld, type Seed } from './world.js';

export interface LinkedScenario {
  /** A multiple of 8. */
  start?: number;
  chunkBytes?: number;
  /** Chunks up to the cap, 2 or more. */
  chunks?: number;
  /** Payload bytes of each record. */
  lengths: readonly number[];
  publishEvery?: number;
  write?: 'claim' | 'offer';
  read?: 'drain' | 'peek' | 'poll';
  /** Most records of a drain. */
  limit?: number;
  /** May vanish between any two accesses; another takes over as soon as the supervisor has noticed. */
  dies?: 'producer' | 'consumer';
  closes?: boolean;
  /** A producer without room asks for room and sleeps until onRoom tells it. */
  asks?: boolean;
  /** The system gives no memory for a further chunk. */
  noMemory?: boolean;
  seeds?: readonly Seed[];
}

export interface LinkedReport extends Report {
  /** How many of the records begin a chunk that another was before. */
  readonly hops: number;
  /** Most chunks that the buffer ever held. */
  readonly mostAllocated: number;
}

const HEADER_BYTES = 8;
const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const PHASE = queueLayout.fields.phase.at >> 2;
const PRODUCER_THREAD = queueLayout.fields.producerThread.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const CONSUMER_THREAD = (queueLayout.fields.consumerCursor.at + placeLayout.fields.thread.at) >> 2;
const TABLE = (queueLayout.bytes + linkedLayout.bytes) >> 2;
/** Bytes of counters, and fields, that nobody's decisions rest on. */
const STATISTICS = [
  [queueLayout.fields.refused.at, 8], [queueLayout.fields.highWater.at, 4],
  [queueLayout.fields.consumerCursor.at + placeLayout.fields.highWater.at, 4],
  [queueLayout.bytes + linkedLayout.fields.growthsRefused.at, 8],
] as const;
const unobserved = ['refused', 'highWater'];
/** All virtual threads are this real one; who must outlive a recovery is noted as another. */
const THIS_THREAD = 0;
const SOME_OTHER = 99;

const payloadOf = (record: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => 16 * record + i);

/** Bytes from the start to where each record begins and ends: a chunk keeps room for a last header. */
function placesOf(lengths: readonly number[], start: number, chunkBytes: number): { begin: number; end: number }[] {
  let end = 0;
  return lengths.map((length) => {
    const bytes = HEADER_BYTES + Math.ceil(length / 8) * 8;
    const at = (((start + end) % chunkBytes) + chunkBytes) % chunkBytes;
    const begin = at + bytes + HEADER_BYTES > chunkBytes ? end + chunkBytes - at : end;
    end = begin + bytes;
    return { begin, end };
  });
}

/** What the explorer saves of an end: itself, and the description of the memory that it holds. */
const partsOf = (end: LinkedProducer | LinkedConsumer): object[] => [
  end, (end as unknown as { memory: object }).memory,
];

/**
 * Gives `heir` the fields of an end that has just been opened, but its own description of the memory, which says the
 * same.
 */
function become<End extends object>(heir: End, opened: End): void {
  const { memory } = heir as { memory?: object };
  Object.assign(heir, opened, { memory });
}

export function linkedQueue(scenario: LinkedScenario): LinkedReport {
  const {
    start = 0, chunkBytes = 32, chunks = 3, lengths, publishEvery = 1, write = 'claim', read = 'drain',
    limit = 0x7fffffff,
  } = scenario;
  const { memory, queues, globals } = makeWorld(scenario.seeds);
  const { Atomics, Int32Array, SharedArrayBuffer } = globals;
  const firstChunk = queueLayout.bytes + linkedLayout.bytes + 128;
  const queue = queues.create({
    kind: 'spsc', backend: 'linked', capacityBytes: firstChunk + chunks * chunkBytes, chunkBytes, startSequence: start,
  });
  if (scenario.noMemory === true) {
    Object.defineProperty(queue.buffer, 'grow', { value: () => {
      throw new RangeError('no memory');
    } });
  }
  const told = new Int32Array(new SharedArrayBuffer(8));
  /** The last record that the first consumer was given. */
  const given = new Int32Array(new SharedArrayBuffer(4));
  memory.note({ buffer: given.buffer as SharedArrayBuffer });
  memory.name(queue.buffer, 'queue', queueLayout);
  memory.name(told.buffer as SharedArrayBuffer, 'told');
  for (const [at, bytes] of STATISTICS) memory.ignore({ buffer: queue.buffer, from: at, to: at + bytes });
  const words = new Int32Array(queue.buffer, 0, firstChunk >> 2);

  const opened = <End extends LinkedProducer | LinkedConsumer>(open: () => unknown, isLast: boolean): End => {
    const end = open() as End;
    if (!isLast) end.leave();
    return end;
  };
  const openProducer = (): unknown => queues.pub(queue, { publishEvery: { records: publishEvery } });
  const openConsumer = (): unknown => queues.sub(queue);
  const producers = [false, true].map((isLast) => opened<LinkedProducer>(openProducer, isLast)).reverse();
  const consumers = [false, true].map((isLast) => opened<LinkedConsumer>(openConsumer, isLast)).reverse();
  Atomics.store(told, 0, 0);
  if (scenario.dies === 'producer') Atomics.store(words, CONSUMER_THREAD, SOME_OTHER);
  if (scenario.dies === 'consumer') Atomics.store(words, PRODUCER_THREAD, SOME_OTHER);

  const places = placesOf(lengths, start, chunkBytes);
  const sendings = producers.map(() => ({ sent: 0, phase: 'send' as 'send' | 'ask' | 'sleep' }));
  const receivings = consumers.map(() => ({ received: 0, began: 0, isFinished: false }));
  const tell = (): void => void Atomics.store(told, 0, 1);
  if (scenario.asks === true) for (const consumer of consumers) consumer[ON_ROOM](tell);

  /** How many records lie wholly before the cursor, which must stand where one ends, or where one begins. */
  function recordsUpTo(cursor: number): number {
    const bytes = (cursor - start) | 0;
    const ends = places.findIndex(({ end }) => end === bytes) + 1;
    const begins = places.findIndex(({ begin }) => begin === bytes);
    assert(
      bytes === 0 || ends > 0 || begins >= 0,
      () => `a cursor stands ${bytes} bytes after the start, where no record begins or ends`,
    );
    return bytes === 0 ? 0 : Math.max(ends, begins);
  }

  function writeRecord(producer: LinkedProducer, record: number, length: number): number {
    if (write === 'offer') return producer.offer(payloadOf(record, length), record);
    const offset = producer.tryClaim(length, record);
    if (offset < 0) return offset;
    producer.bytes.set(payloadOf(record, length), offset);
    return producer.commit();
  }

  function produce(i: number): Verdict {
    const [producer, sending] = [producers[i], sendings[i]];
    if (sending.sent === lengths.length) {
      if (scenario.closes === true) producer.close();
      else producer.flush();
      return 'done';
    }
    const length = lengths[sending.sent];
    switch (sending.phase) {
      case 'send':
        if (writeRecord(producer, sending.sent + 1, length) === queues.OK) sending.sent++;
        else if (scenario.asks === true) sending.phase = 'ask';
        else return 'wait';
        return;
      case 'ask':
        sending.phase = producer[ASK_FOR_ROOM](length) ? 'send' : 'sleep';
        return;
      case 'sleep':
        if (Atomics.exchange(told, 0, 0) === 0) return 'wait';
        sending.phase = 'send';
    }
  }

  function take(i: number, type: number, payload: Uint8Array): void {
    const record = ++receivings[i].received;
    assert(
      type === record && payload.join() === payloadOf(record, lengths[record - 1]).join(),
      () => `received type ${type} with ${payload.join()} where record ${record} was due`,
    );
    if (i === 0 && scenario.dies === 'consumer') given[0] = record;
  }

  function readRecords(i: number): number {
    const consumer = consumers[i];
    if (read === 'drain')
      return consumer.drain(
        (_view, offset, length, type) => take(i, type, consumer.bytes.slice(offset, offset + length)), limit,
      );
    if (read === 'poll') {
      const payload = consumer.poll();
      if (typeof payload === 'number') return payload === queues.EMPTY ? 0 : payload;
      take(i, consumer.type, payload);
      return 1;
    }
    const offset = consumer.peek();
    if (offset < 0) return offset === queues.EMPTY ? 0 : offset;
    take(i, consumer.type, consumer.bytes.slice(offset, offset + consumer.length));
    consumer.advance();
    consumer.publishRelease();
    return 1;
  }

  function consume(i: number): Verdict {
    const receiving = receivings[i];
    if (receiving.isFinished) return 'done';
    const count = readRecords(i);
    if (count === 0) return 'wait';
    receiving.isFinished = scenario.closes === true ? count === queues.CLOSED : receiving.received === lengths.length;
  }

  /** Waits for the death of the first, then is in its place. 1 in `told[1]`: dead; 2: somebody has taken over. */
  function inherit(): 'wait' | 'taken over' {
    if (Atomics.load(told, 1) !== 1) return 'wait';
    queues.recover(queue, THIS_THREAD);
    if (scenario.dies === 'producer') {
      become(producers[1], openProducer() as LinkedProducer);
      sendings[1].sent = recordsUpTo(seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)));
    } else {
      become(consumers[1], openConsumer() as LinkedConsumer);
      if (scenario.asks === true) consumers[1][ON_ROOM](tell);
      receivings[1].began = recordsUpTo(Atomics.load(words, CONSUMER_CURSOR));
      receivings[1].received = receivings[1].began;
    }
    Atomics.store(told, 1, 2);
    return 'taken over';
  }

  const chunkOf = (position: number): number =>
    words[TABLE + ((position >>> (31 - Math.clz32(chunkBytes))) & ((1 << (32 - Math.clz32(chunks - 1))) - 1))];
  let mostAllocated = 0;

  /** Every published, unreleased record lies where the table says, whole. */
  function checkRecords(): void {
    const published = recordsUpTo(seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)));
    const released = recordsUpTo(Atomics.load(words, CONSUMER_CURSOR));
    assert(released <= published, () => `${released} records released of ${published}`);
    const bytes = new globals.Uint8Array(queue.buffer, 0, queue.buffer.byteLength);
    const view = new globals.DataView(queue.buffer, 0, queue.buffer.byteLength);
    for (let record = released + 1; record <= published; record++) {
      const position = (start + places[record - 1].begin) | 0;
      const at = firstChunk + chunkOf(position) * chunkBytes + (position & (chunkBytes - 1));
      const [length, type] = [view.getInt32(at, true), view.getInt32(at + 4, true)];
      assert(
        length === lengths[record - 1] && type === record,
        () => `record ${record} is published, unread, and says length ${length}, type ${type}`,
      );
      const payload = bytes.slice(at + HEADER_BYTES, at + HEADER_BYTES + length);
      assert(
        payload.join() === payloadOf(record, length).join(),
        () => `record ${record} is published, unread, and holds ${payload.join()}`,
      );
    }
  }

  /** A producer that takes over now finds every chunk once: in use between the cursors, or free. */
  function checkChunks(): void {
    const allocated = (queue.buffer.byteLength - firstChunk) / chunkBytes;
    mostAllocated = Math.max(mostAllocated, allocated);
    assert(
      Number.isInteger(allocated) && allocated >= 2 && allocated <= chunks,
      () => `the buffer holds ${allocated} chunks, of at most ${chunks}`,
    );
    const found: number[] = [];
    const last = seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)) & -chunkBytes;
    for (
      let at = Atomics.load(words, CONSUMER_CURSOR) & -chunkBytes;
      ((last - at) | 0) >= 0;
      at = (at + chunkBytes) | 0
    )
      found.push(chunkOf(at));
    // A closed queue has no successor.
    if (Atomics.load(words, PHASE) !== 0) return;
    const owner = Atomics.exchange(words, PRODUCER_THREAD, 0);
    const { free, freeCount } = openProducer() as { free: number[]; freeCount: number };
    Atomics.store(words, PRODUCER_THREAD, owner);
    found.push(...free.slice(0, freeCount));
    assert(
      found.sort().join() === Array.from({ length: allocated }, (_, i) => i).join(),
      () => `of ${allocated} chunks a successor finds ${found.join()}`,
    );
  }

  const threads: VirtualThread[] = [
    {
      name: 'producer', owns: [...partsOf(producers[0]), sendings[0]], step: () => produce(0), unobserved,
      ...mortal('producer'),
    },
    {
      name: 'consumer', owns: [...partsOf(consumers[0]), receivings[0]], step: () => consume(0), unobserved,
      ...mortal('consumer'),
    },
  ];
  if (scenario.dies !== undefined) {
    const heir = { hasTakenOver: false };
    const isProducer = scenario.dies === 'producer';
    threads.push({
      name: `second ${scenario.dies}`,
      owns: [...partsOf(isProducer ? producers[1] : consumers[1]), isProducer ? sendings[1] : receivings[1], heir],
      unobserved,
      // Nobody need die.
      mayWait: true,
      step() {
        if (heir.hasTakenOver) return isProducer ? produce(1) : consume(1);
        const verdict = inherit();
        if (verdict === 'wait') return verdict;
        heir.hasTakenOver = true;
      },
    });
  }

  function mortal(role: 'producer' | 'consumer'): Partial<VirtualThread> {
    return scenario.dies === role ? { mayDie: true, onDeath: () => void Atomics.store(told, 1, 1) } : {};
  }

  const checked = new Set<string>();
  const report = explore({
    memory,
    threads,
    invariant() {
      // Both look at shared memory alone, and most states share theirs with others.
      const { buffer, byteOffset, byteLength } = memory.cells;
      const contents = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
      if (checked.has(contents)) return;
      checkRecords();
      checkChunks();
      checked.add(contents);
    },
    atEnd({ dead, waiting }) {
      const who = dead.length > 0 ? 1 : 0;
      const last = receivings[scenario.dies === 'consumer' ? who : 0];
      assert(
        last.received === lengths.length,
        () => `${last.received} of ${lengths.length} received, ${waiting.join()} waiting`,
      );
      if (scenario.dies !== 'consumer' || dead.length === 0) return;
      const { began } = receivings[1];
      // What drain or poll had begun to hand out may be lost with the consumer, one record; what peek has shown is
      // shown again.
      const least = read === 'peek' ? given[0] - 1 : given[0];
      const most = read === 'peek' ? given[0] : given[0] + 1;
      assert(
        began >= least && began <= most,
        () => `the second consumer began behind record ${began}, the first had got ${given[0]}`,
      );
    },
  });
  return {
    ...report, hops: places.filter(({ begin }, i) => i > 0 && begin !== places[i - 1].end).length, mostAllocated,
  };
}
