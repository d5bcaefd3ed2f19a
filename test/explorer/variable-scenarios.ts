/**
 * A ring of variable records under the explorer. Record `n` (from 1) has type n and a payload of the bytes 16n, 16n +
 * 1, ...; where it must lie is computed here, by an own sum, so a wrong padding or length is seen in memory before it
 * is read.
 *
 * With `dies`, either end may vanish between any two accesses; a supervisor then calls recover(), and a successor goes
 * on.
 */
import { queueLayout } from '../../src/layout.js';
import { ASK_FOR_ROOM, ON_ROOM } from '../../src/queues/doors.js';
import type * as Queues from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { seenFrom } from '../../src/queues/mark.js';
import { UNOBSERVED, assert, makeNotes, makeWorld, nameQueue, supervise, type Seed } from './world.js';

export interface VariableScenario {
  /** A multiple of 8. */
  start?: number;
  capacityBytes?: number;
  /** Payload bytes of each record. */
  lengths: readonly number[];
  publishEvery?: number;
  write?: 'claim' | 'offer';
  read?: 'drain' | 'peek' | 'poll';
  dies?: 'producer' | 'consumer' | 'either';
  /**
   * A death is met: recover() is called, and a successor takes the dead one's place. For a producer that closes in the
   * end.
   */
  recovers?: boolean;
  closes?: boolean;
  /** A producer without room asks for room and sleeps until onRoom tells it. */
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
const PHASE = queueLayout.fields.phase.at >> 2;
const PRODUCER = 1;
const CONSUMER = 2;
/** Notes: the last record that was given to anybody; that a successor has received one. */
const RECEIVED = 0;
const SUCCEEDED = 1;

interface Sender {
  producer: Queues.VariableProducer | null;
  sent: number;
  phase: 'send' | 'ask' | 'sleep';
}
interface Receiver {
  consumer: Queues.VariableConsumer | null;
  isSuccessor: boolean;
  isFinished: boolean;
}

const payloadOf = (record: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => 16 * record + i);

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
  const world = makeWorld(scenario.seeds);
  const { memory, queues, globals } = world;
  const { Atomics, Int32Array, SharedArrayBuffer, Uint8Array } = globals;
  const queue = queues.create({ kind: 'spsc', capacityBytes, startSequence: start });
  const told = new Int32Array(new SharedArrayBuffer(4));
  const notes = makeNotes(world, 2);
  nameQueue(world, queue);
  memory.name(told.buffer as SharedArrayBuffer, 'told');
  const words = new Int32Array(queue.buffer);
  const bytes = new Uint8Array(queue.buffer);

  const places = placesOf(lengths, start, capacityBytes);
  const sender: Sender = {
    producer: memory.as(PRODUCER, () => queues.pub(queue, { publishEvery: { records: publishEvery } })), sent: 0,
    phase: 'send',
  };
  const receiver: Receiver = {
    consumer: memory.as(CONSUMER, () => queues.sub(queue)), isSuccessor: false, isFinished: false,
  };
  if (scenario.asks === true) receiver.consumer![ON_ROOM](() => void Atomics.store(told, 0, 1));

  function writeRecord(producer: Queues.VariableProducer, record: number, length: number): number {
    if (write === 'offer') return producer.offer(payloadOf(record, length), record);
    const offset = producer.tryClaim(length, record);
    if (offset < 0) return offset;
    producer.bytes.set(payloadOf(record, length), offset);
    return producer.commit();
  }

  function produce(my: Sender): Verdict {
    const producer = my.producer!;
    if (my.sent === lengths.length) {
      if (scenario.closes === true) producer.close();
      else producer.flush();
      return 'done';
    }
    const length = lengths[my.sent];
    switch (my.phase) {
      case 'send':
        if (writeRecord(producer, my.sent + 1, length) === queues.OK) my.sent++;
        else if (scenario.asks === true) my.phase = 'ask';
        else return 'wait';
        return;
      case 'ask':
        my.phase = producer[ASK_FOR_ROOM](length) ? 'send' : 'sleep';
        return;
      case 'sleep':
        if (Atomics.exchange(told, 0, 0) === 0) return 'wait';
        my.phase = 'send';
    }
  }

  function take(my: Receiver, type: number, payload: globalThis.Uint8Array): void {
    const due = notes[RECEIVED] + 1;
    const isExpected = my.isSuccessor && notes[SUCCEEDED] === 0 ? isRightForSuccessor(type, due) : type === due;
    assert(
      isExpected && payload.join() === payloadOf(type, lengths[type - 1]).join(),
      () => `received type ${type} with ${payload.join()} where record ${due} was due`,
    );
    notes[RECEIVED] = type;
    if (my.isSuccessor) notes[SUCCEEDED] = 1;
  }

  /** One record that `drain` or `poll` had begun is not seen again; one that was peeked and not released is. */
  function isRightForSuccessor(record: number, due: number): boolean {
    return read === 'peek' ? record === due || record === due - 1 : record === due || record === due + 1;
  }

  function readRecords(my: Receiver): number {
    const consumer = my.consumer!;
    if (read === 'drain')
      return consumer.drain((_view, offset, length, type) =>
        take(my, type, consumer.bytes.slice(offset, offset + length)),
      );
    if (read === 'poll') {
      const payload = consumer.poll();
      if (typeof payload === 'number') return payload === queues.EMPTY ? 0 : payload;
      take(my, consumer.type, payload);
      return 1;
    }
    const offset = consumer.peek();
    if (offset < 0) return offset === queues.EMPTY ? 0 : offset;
    take(my, consumer.type, consumer.bytes.slice(offset, offset + consumer.length));
    consumer.advance();
    consumer.publishRelease();
    return 1;
  }

  function consume(my: Receiver): Verdict {
    if (my.isFinished) return 'done';
    const count = readRecords(my);
    if (count === queues.CLOSED) {
      const published = recordsUpTo(PRODUCER_CURSOR);
      assert(
        notes[RECEIVED] === published || (my.isSuccessor && isRightForSuccessor(published + 1, notes[RECEIVED] + 1)),
        () => `CLOSED after ${notes[RECEIVED]} records of ${published}`,
      );
    }
    my.isFinished = scenario.closes === true ? count === queues.CLOSED : notes[RECEIVED] === lengths.length;
    if (count === 0 && !my.isFinished) return 'wait';
  }

  /** A cursor, without the producer's mark. */
  const cell = (index: number): number => seenFrom(start, Atomics.load(words, index));

  /** How many records lie wholly before the cursor, which must stand at a record's end. */
  function recordsUpTo(cursor: number): number {
    const passed = (cell(cursor) - start) | 0;
    const count = passed === 0 ? 0 : places.findIndex(({ end }) => end === passed) + 1;
    assert(passed === 0 || count > 0, () => `a cursor stands ${passed} bytes after the start, where no record ends`);
    return count;
  }

  function invariant(): void {
    const published = recordsUpTo(PRODUCER_CURSOR);
    const released = recordsUpTo(CONSUMER_CURSOR);
    const unread = (cell(PRODUCER_CURSOR) - cell(CONSUMER_CURSOR)) | 0;
    assert(unread >= 0 && unread <= capacityBytes, () => `${unread} bytes unread in a ring of ${capacityBytes}`);
    for (let record = released + 1; record <= published; record++) {
      const at = queueLayout.bytes + ((start + places[record - 1].begin) & (capacityBytes - 1));
      const [length, type] = [words[at >> 2], words[(at >> 2) + 1]];
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

  const supervision = supervise(world, queue);
  const heir = {
    role: 0, sender: { ...sender, producer: null } as Sender,
    receiver: { ...receiver, consumer: null, isSuccessor: true } as Receiver,
  };

  /** Takes the place of whoever has died. */
  function succeed(): Verdict {
    if (heir.role === PRODUCER) return produce(heir.sender);
    if (heir.role === CONSUMER) return consume(heir.receiver);
    heir.role = supervision.vacancy();
    if (heir.role === 0) return 'wait';
    if (heir.role === CONSUMER) {
      heir.receiver.consumer = queues.sub(queue);
    } else if (Atomics.load(words, PHASE) === 0) {
      heir.sender.producer = queues.pub(queue, { publishEvery: { records: publishEvery } });
      heir.sender.sent = recordsUpTo(PRODUCER_CURSOR);
    } else {
      // It died while it closed.
      return 'done';
    }
  }

  const isMortal = (end: 'producer' | 'consumer'): boolean => scenario.dies === end || scenario.dies === 'either';
  const recovers = scenario.recovers === true;
  const common = { unobserved: UNOBSERVED, mayWait: scenario.dies !== undefined && !recovers };
  const threads: VirtualThread[] = [
    {
      ...common,
      name: 'producer',
      owns: [sender],
      step: () => produce(sender),
      threadId: PRODUCER,
      mayDie: isMortal('producer'),
      onDeath() {
        const published = recordsUpTo(PRODUCER_CURSOR);
        const { unpublished } = sender.producer!;
        assert(
          published >= sender.sent - unpublished,
          () => `${sender.sent} sent, ${unpublished} of them unpublished, ${published} published`,
        );
        if (recovers) supervision.announce(PRODUCER);
      },
    },
    {
      ...common,
      name: 'consumer',
      owns: [receiver],
      step: () => consume(receiver),
      threadId: CONSUMER,
      mayDie: isMortal('consumer'),
      onDeath() {
        if (recovers) supervision.announce(CONSUMER);
      },
    },
  ];
  if (recovers)
    threads.push(supervision.supervisor, {
      name: 'successor', owns: [heir], step: succeed, unobserved: UNOBSERVED, mayWait: true,
    });

  const report = explore({
    memory, threads, invariant,
    atEnd({ dead, waiting }) {
      const published = recordsUpTo(PRODUCER_CURSOR);
      if (recovers && dead.length > 0) {
        assert(heir.role !== 0 && !waiting.includes('successor'), () => 'the successor never came to its end');
        assert(published === lengths.length, () => `after the death ${published} were published of ${lengths.length}`);
        return;
      }
      if (dead.includes('consumer')) return;
      assert(notes[RECEIVED] === published, () => `${published} published, ${notes[RECEIVED]} received`);
      if (dead.length === 0) assert(published === lengths.length, () => `${published} of ${lengths.length} published`);
    },
  });
  return { ...report, paddings: places.filter(({ begin }, i) => begin !== (i === 0 ? 0 : places[i - 1].end)).length };
}
