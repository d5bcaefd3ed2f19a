/**
 * A ring of variable records under the explorer. Record `n` (from 1) has type n and a payload of the bytes 16n, 16n + 1, ...;
 * where it must lie is computed here, by an own sum, so a wrong padding or length is seen in memory before it is read.
 */
import { queueLayout } from '../layout.js';
import { explore, type Report, type Verdict } from './explorer.js';
import { assert, makeWorld, type Seed } from './world.js';

export interface VariableScenario {
  /** A multiple of 8. */
  start?: number;
  capacityBytes?: number;
  /** Payload bytes of each record. */
  lengths: readonly number[];
  publishEvery?: number;
  write?: 'claim' | 'offer';
  read?: 'drain' | 'peek' | 'poll';
  dies?: 'producer' | 'consumer';
  closes?: boolean;
  /** A producer without room asks for space and sleeps until onSpace tells it. */
  asks?: boolean;
  seeds?: readonly Seed[];
}

export interface VariableReport extends Report {
  /** How many of the records have padding in front. */
  readonly paddings: number;
}

const HEADER_BYTES = 8;
const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;

const payloadOf = (record: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => 16 * record + i);

/** Bytes from the start to where each record begins and ends, by the rule of record.ts, said another way. */
function placesOf(lengths: readonly number[], start: number, capacity: number): { begin: number; end: number }[] {
  let end = 0;
  return lengths.map((length) => {
    const bytes = HEADER_BYTES + Math.ceil(length / 8) * 8;
    const at = (((start + end) % capacity) + capacity) % capacity;
    const begin = at + bytes > capacity ? end + capacity - at : end;
    end = begin + bytes;
    return { begin, end };
  });
}

export function variableRing(scenario: VariableScenario): VariableReport {
  const { start = 0, capacityBytes = 32, lengths, publishEvery = 1, write = 'claim', read = 'drain' } = scenario;
  const { memory, queues, globals } = makeWorld(scenario.seeds);
  const { Atomics, Int32Array, SharedArrayBuffer } = globals;
  const queue = queues.create({ kind: 'spsc', capacityBytes, startSequence: start });
  const told = new Int32Array(new SharedArrayBuffer(4));
  memory.name(queue.buffer, 'ring', queueLayout);
  memory.name(told.buffer as SharedArrayBuffer, 'told');

  const producer = queues.pub(queue, { publishEvery });
  const consumer = queues.sub(queue);
  const places = placesOf(lengths, start, capacityBytes);
  const sending = { sent: 0, phase: 'send' as 'send' | 'ask' | 'sleep' };
  const receiving = { received: 0, isFinished: false };
  if (scenario.asks === true) consumer.onSpace = () => void Atomics.store(told, 0, 1);

  function writeRecord(record: number, length: number): number {
    if (write === 'offer') return producer.offer(payloadOf(record, length), record);
    const offset = producer.tryClaim(length, record);
    if (offset < 0) return offset;
    producer.bytes.set(payloadOf(record, length), offset);
    producer.commit();
    return queues.OK;
  }

  function produce(): Verdict {
    if (sending.sent === lengths.length) {
      if (scenario.closes === true) producer.close();
      else producer.flush();
      return 'done';
    }
    const length = lengths[sending.sent];
    switch (sending.phase) {
      case 'send':
        if (writeRecord(sending.sent + 1, length) === queues.OK) sending.sent++;
        // Nobody may wait on records it has not published.
        else if (producer.unpublished > 0) producer.flush();
        else if (scenario.asks === true) sending.phase = 'ask';
        else return 'wait';
        return;
      case 'ask':
        sending.phase = producer.askForRecord(length) ? 'send' : 'sleep';
        return;
      case 'sleep':
        if (Atomics.exchange(told, 0, 0) === 0) return 'wait';
        sending.phase = 'send';
    }
  }

  function take(type: number, payload: Uint8Array): void {
    const record = ++receiving.received;
    assert(type === record && payload.join() === payloadOf(record, lengths[record - 1]).join(), () => `received type ${type} with ${payload.join()} where record ${record} was due`);
  }

  function readRecords(): number {
    if (read === 'drain') return consumer.drain((_view, offset, length, type) => take(type, consumer.bytes.slice(offset, offset + length)));
    if (read === 'poll') {
      const payload = consumer.poll();
      if (typeof payload === 'number') return payload === queues.EMPTY ? 0 : payload;
      take(consumer.type, payload);
      return 1;
    }
    const offset = consumer.peek();
    if (offset < 0) return offset === queues.EMPTY ? 0 : offset;
    take(consumer.type, consumer.bytes.slice(offset, offset + consumer.length));
    consumer.advance();
    consumer.publishRelease();
    return 1;
  }

  function consume(): Verdict {
    if (receiving.isFinished) return 'done';
    const count = readRecords();
    if (count === 0) return 'wait';
    if (count === queues.CLOSED) assert(receiving.received === sending.sent, () => `CLOSED after ${receiving.received} records of ${sending.sent}`);
    receiving.isFinished = scenario.closes === true ? count === queues.CLOSED : receiving.received === lengths.length;
  }

  const cell = (index: number): number => Atomics.load(producer.words, index);

  /** How many records lie wholly before the cursor, which must stand at a record's end. */
  function recordsUpTo(cursor: number): number {
    const bytes = (cell(cursor) - start) | 0;
    const count = bytes === 0 ? 0 : places.findIndex(({ end }) => end === bytes) + 1;
    assert(bytes === 0 || count > 0, () => `a cursor stands ${bytes} bytes after the start, where no record ends`);
    return count;
  }

  function invariant(): void {
    const published = recordsUpTo(PRODUCER_CURSOR);
    const released = recordsUpTo(CONSUMER_CURSOR);
    const bytes = (cell(PRODUCER_CURSOR) - cell(CONSUMER_CURSOR)) | 0;
    assert(bytes >= 0 && bytes <= capacityBytes, () => `${bytes} bytes unread in a ring of ${capacityBytes}`);
    for (let record = released + 1; record <= published; record++) {
      const at = queueLayout.bytes + ((start + places[record - 1].begin) & (capacityBytes - 1));
      const [length, type] = [producer.words[at >> 2], producer.words[(at >> 2) + 1]];
      assert(length === lengths[record - 1] && type === record, () => `record ${record} is published, unread, and says length ${length}, type ${type}`);
      const payload = producer.bytes.slice(at + HEADER_BYTES, at + HEADER_BYTES + length);
      assert(payload.join() === payloadOf(record, length).join(), () => `record ${record} is published, unread, and holds ${payload.join()}`);
    }
  }

  const report = explore({
    memory,
    threads: [
      { name: 'producer', owns: [producer, sending], step: produce, mayDie: scenario.dies === 'producer', mayWait: scenario.dies === 'consumer' },
      { name: 'consumer', owns: [consumer, receiving], step: consume, mayDie: scenario.dies === 'consumer', mayWait: scenario.dies === 'producer' },
    ],
    invariant,
    atEnd({ dead }) {
      const published = recordsUpTo(PRODUCER_CURSOR);
      if (dead.includes('consumer')) return;
      assert(receiving.received === published, () => `${published} published, ${receiving.received} received`);
      assert(published >= sending.sent - producer.unpublished, () => `${sending.sent} sent, ${producer.unpublished} of them unpublished, ${published} published`);
      if (dead.length === 0) assert(published === lengths.length, () => `${published} of ${lengths.length} published`);
    },
  });
  return { ...report, paddings: places.filter(({ begin }, i) => begin !== (i === 0 ? 0 : places[i - 1].end)).length };
}
