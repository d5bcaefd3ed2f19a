/**
 * A ring of fixed records under the explorer: one producer, one consumer, and what must hold in every state and at the end.
 * Record `n` (from 1) holds the words n and ~n, so a record half written or of another lap is told from a whole one.
 */
import { queueLayout } from '../layout.js';
import { explore, type Report, type Verdict } from './explorer.js';
import { assert, makeWorld, type Seed } from './world.js';

export interface FixedScenario {
  start?: number;
  capacity?: number;
  messages?: number;
  publishEvery?: number;
  /** Records of each claim. */
  batch?: number;
  /** How the producer writes: in place, or by copy with `offer`. */
  write?: 'claim' | 'offer';
  /** How the consumer reads. */
  read?: 'drain' | 'peek' | 'poll';
  /** Most records of one drain or peek. */
  limit?: number;
  /** May vanish between any two accesses. */
  dies?: 'producer' | 'consumer';
  /** The producer closes after its last record, and the consumer reads until CLOSED. */
  closes?: boolean;
  /** The consumer closes after so many records. */
  abandonsAfter?: number;
  /** A producer without room asks for space and sleeps until onSpace tells it, in place of trying again. */
  asks?: boolean;
  seeds?: readonly Seed[];
}

const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;

export function fixedRing(scenario: FixedScenario): Report {
  const { start = 0, capacity = 2, messages = 6, publishEvery = 1, batch = 1, write = 'claim', read = 'drain', limit = capacity } = scenario;
  const { memory, queues, globals } = makeWorld(scenario.seeds);
  const { Atomics, Int32Array, SharedArrayBuffer } = globals;
  const queue = queues.create({ kind: 'spsc', capacity, recordBytes: 8, startSequence: start });
  const told = new Int32Array(new SharedArrayBuffer(4));
  memory.name(queue.buffer, 'ring', queueLayout);
  memory.name(told.buffer as SharedArrayBuffer, 'told');

  const producer = queues.pub(queue, { publishEvery });
  const consumer = queues.sub(queue);
  // `isFinished`: nothing is left to do but to return, so that the call before it is seen whole.
  const sending = { sent: 0, phase: 'send' as 'send' | 'ask' | 'sleep', wasRefused: false };
  const receiving = { received: 0, isFinished: false };
  if (scenario.asks === true) consumer.onSpace = () => void Atomics.store(told, 0, 1);

  function writeRecords(count: number): number {
    if (write === 'offer') {
      const record = new Uint8Array(new globalThis.Int32Array([sending.sent + 1, ~(sending.sent + 1)]).buffer);
      return producer.offer(record);
    }
    const at = producer.tryClaim(count);
    if (at < 0) return at;
    for (let i = 0; i < count; i++) {
      producer.words[producer.wordOf(at, i)] = sending.sent + i + 1;
      producer.words[producer.wordOf(at, i) + 1] = ~(sending.sent + i + 1);
    }
    producer.commit();
    return queues.OK;
  }

  function produce(): Verdict {
    const count = write === 'offer' ? 1 : Math.min(batch, messages - sending.sent);
    switch (sending.phase) {
      case 'send': {
        if (sending.sent === messages || sending.wasRefused) {
          if (scenario.closes === true) producer.close();
          else producer.flush();
          return 'done';
        }
        const code = writeRecords(count);
        if (code === queues.OK) {
          sending.sent += count;
          return;
        }
        if (code === queues.CLOSED) {
          sending.wasRefused = true;
          return;
        }
        // Nobody may wait on records it has not published.
        if (producer.unpublished > 0) producer.flush();
        else if (scenario.asks === true) sending.phase = 'ask';
        else return 'wait';
        return;
      }
      case 'ask':
        sending.phase = producer.askForSpace(count) ? 'send' : 'sleep';
        return;
      case 'sleep':
        if (Atomics.exchange(told, 0, 0) === 0) return 'wait';
        sending.phase = 'send';
    }
  }

  function take(first: number, second: number): void {
    receiving.received++;
    assert(first === receiving.received && second === ~first, () => `received ${first} and ${second} where record ${receiving.received} was due`);
  }

  /** Reads what there is. Returns how many, 0, or CLOSED. */
  function readRecords(): number {
    if (read === 'drain') return consumer.drain((view, offset) => take(view.getInt32(offset, true), view.getInt32(offset + 4, true)), limit);
    if (read === 'poll') {
      const record = consumer.poll();
      if (typeof record === 'number') return record === queues.EMPTY ? 0 : record;
      take(...(new globalThis.Int32Array(record.buffer) as unknown as [number, number]));
      return 1;
    }
    const count = consumer.peek(limit);
    if (count < 0) return count === queues.EMPTY ? 0 : count;
    for (let i = 0; i < count; i++) take(consumer.words[consumer.wordOf(i)], consumer.words[consumer.wordOf(i) + 1]);
    consumer.release(count);
    return count;
  }

  function consume(): Verdict {
    if (receiving.isFinished) return 'done';
    const count = readRecords();
    if (count === 0) return 'wait';
    if (scenario.abandonsAfter !== undefined && receiving.received >= scenario.abandonsAfter) {
      consumer.close();
      receiving.isFinished = true;
    } else if (count === queues.CLOSED) {
      assert(scenario.closes === true, () => 'CLOSED by nobody');
      assert(receiving.received === sending.sent, () => `CLOSED after ${receiving.received} records of ${sending.sent}`);
      receiving.isFinished = true;
    } else if (scenario.closes !== true && receiving.received === messages) {
      receiving.isFinished = true;
    }
  }

  const cell = (index: number): number => Atomics.load(producer.words, index);

  function invariant(): void {
    const published = (cell(PRODUCER_CURSOR) - start) | 0;
    const released = (cell(CONSUMER_CURSOR) - start) | 0;
    assert(released <= published && published - released <= capacity, () => `${published} published and ${released} released in a ring of ${capacity}`);
    for (let record = released + 1; record <= published; record++) {
      const at = (queueLayout.bytes >> 2) + (((start + record - 1) & (capacity - 1)) << 1);
      const [first, second] = [producer.words[at], producer.words[at + 1]];
      assert(first === record && second === ~record, () => `record ${record} is published, unread, and holds ${first} and ${second}`);
    }
  }

  return explore({
    memory,
    threads: [
      { name: 'producer', owns: [producer, sending], step: produce, mayDie: scenario.dies === 'producer', mayWait: scenario.dies === 'consumer' },
      { name: 'consumer', owns: [consumer, receiving], step: consume, mayDie: scenario.dies === 'consumer', mayWait: scenario.dies === 'producer' },
    ],
    invariant,
    atEnd({ dead, waiting }) {
      const published = (cell(PRODUCER_CURSOR) - start) | 0;
      const released = (cell(CONSUMER_CURSOR) - start) | 0;
      if (dead.includes('producer')) {
        const committed = sending.sent - producer.unpublished;
        assert(receiving.received === published, () => `${published} published before the death, ${receiving.received} received`);
        assert(published >= committed, () => `${committed} were flushed, ${published} are published: more was lost than was unpublished`);
      } else if (dead.includes('consumer')) {
        assert(waiting.includes('producer') || sending.sent === messages, () => 'the producer neither waits nor has sent all');
        // The claim that does not fit begins behind all that is published.
        if (waiting.includes('producer')) assert(published - released + batch > capacity, () => `the producer waits beside ${published - released} unread records`);
      } else if (scenario.abandonsAfter === undefined) {
        assert(receiving.received === messages, () => `${receiving.received} of ${messages} received`);
        assert(waiting.length === 0, () => `${waiting.join()} waits though nobody died`);
      }
    },
  });
}
