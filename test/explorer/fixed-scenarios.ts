/**
 * A ring of fixed records under the explorer: one producer, one consumer, and what must hold in every state and at the
 * end. Record `n` (from 1) holds the words n and ~n, so a record half written or of another lap is told from a whole
 * one.
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
  dies?: 'producer' | 'consumer' | 'either';
  /**
   * A death is met: recover() is called, and a successor takes the dead one's place. For a producer that closes in the
   * end.
   */
  recovers?: boolean;
  /** So many learn of the death, and each calls recover(). Default 1. */
  supervisors?: number;
  /** The successor of a consumer does not wait for the supervisor: it tries until the place is free. */
  isImpatient?: boolean;
  /** The producer closes after its last record, and the consumer reads until CLOSED. */
  closes?: boolean;
  /** The consumer closes after so many records. */
  abandonsAfter?: number;
  /** A producer without room asks for room and sleeps until onRoom tells it, in place of trying again. */
  asks?: boolean;
  reduces?: boolean;
  seeds?: readonly Seed[];
}

const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const PHASE = queueLayout.fields.phase.at >> 2;
const PRODUCER_THREAD = queueLayout.fields.producerThread.at >> 2;
const DROPPED_CLOSED = queueLayout.fields.droppedClosed.at;
const PRODUCER = 1;
const CONSUMER = 2;
const SUCCESSOR = 3;
const SUPERVISOR = 4;
/** Notes: the last record that was given to anybody; that a successor has received one. */
const RECEIVED = 0;
const SUCCEEDED = 1;

/** One who sends, and what it remembers. */
interface Sender {
  producer: Queues.FixedProducer | null;
  sent: number;
  phase: 'send' | 'ask' | 'sleep';
  wasRefused: boolean;
}
/** `isFinished`: nothing is left to do but to return, so that the call before it is seen whole. */
interface Receiver {
  consumer: Queues.FixedConsumer | null;
  isSuccessor: boolean;
  isFinished: boolean;
}

export function fixedRing(scenario: FixedScenario): Report {
  const {
    start = 0, capacity = 2, messages = 6, publishEvery = 1, batch = 1, write = 'claim', read = 'drain',
    limit = capacity,
  } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues, globals } = world;
  const { Atomics, Int32Array, SharedArrayBuffer } = globals;
  const queue = queues.create({ kind: 'spsc', capacity, recordBytes: 8, startSequence: start });
  const told = new Int32Array(new SharedArrayBuffer(4));
  const notes = makeNotes(world, 2);
  nameQueue(world, queue);
  memory.name(told.buffer as SharedArrayBuffer, 'told');
  const words = new Int32Array(queue.buffer);
  const published = (): number => (seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)) - start) | 0;
  const released = (): number => (Atomics.load(words, CONSUMER_CURSOR) - start) | 0;

  const sender: Sender = {
    producer: memory.as(PRODUCER, () => queues.pub(queue, { publishEvery: { records: publishEvery } })), sent: 0,
    phase: 'send', wasRefused: false,
  };
  const receiver: Receiver = {
    consumer: memory.as(CONSUMER, () => queues.sub(queue)), isSuccessor: false, isFinished: false,
  };
  if (scenario.asks === true) receiver.consumer![ON_ROOM](() => void Atomics.store(told, 0, 1));

  function writeRecords(my: Sender, count: number): number {
    const producer = my.producer!;
    if (write === 'offer') {
      const record = new Uint8Array(new globalThis.Int32Array([my.sent + 1, ~(my.sent + 1)]).buffer);
      return producer.offer(record);
    }
    const at = producer.tryClaim(count);
    if (at < 0) return at;
    for (let i = 0; i < count; i++) {
      producer.words[producer.wordOf(at, i)] = my.sent + i + 1;
      producer.words[producer.wordOf(at, i) + 1] = ~(my.sent + i + 1);
    }
    return producer.commit();
  }

  function produce(my: Sender): Verdict {
    const producer = my.producer!;
    const count = write === 'offer' ? 1 : Math.min(batch, messages - my.sent);
    switch (my.phase) {
      case 'send': {
        if (my.sent === messages || my.wasRefused) {
          if (scenario.closes === true) producer.close();
          else producer.flush();
          return 'done';
        }
        const code = writeRecords(my, count);
        if (code === queues.OK) my.sent += count;
        else if (code === queues.CLOSED) my.wasRefused = true;
        else if (scenario.asks === true) my.phase = 'ask';
        else return 'wait';
        return;
      }
      case 'ask':
        my.phase = producer[ASK_FOR_ROOM](count) ? 'send' : 'sleep';
        return;
      case 'sleep':
        if (Atomics.exchange(told, 0, 0) === 0) return 'wait';
        my.phase = 'send';
    }
  }

  function take(my: Receiver, first: number, second: number): void {
    const due = notes[RECEIVED] + 1;
    const isExpected = my.isSuccessor && notes[SUCCEEDED] === 0 ? isRightForSuccessor(first, due) : first === due;
    assert(isExpected && second === ~first, () => `received ${first} and ${second} where record ${due} was due`);
    notes[RECEIVED] = first;
    if (my.isSuccessor) notes[SUCCEEDED] = 1;
  }

  /** What `drain` had begun and `poll` had copied is not seen again; what was peeked and not released is. */
  function isRightForSuccessor(first: number, due: number): boolean {
    if (read === 'peek') return first <= due && first > due - limit - 1;
    return first >= due && first <= due + (read === 'drain' ? limit : 1);
  }

  /** Reads what there is. Returns how many, 0, or CLOSED. */
  function readRecords(my: Receiver): number {
    const consumer = my.consumer!;
    if (read === 'drain')
      return consumer.drain(
        (view, offset) => take(my, view.getInt32(offset, true), view.getInt32(offset + 4, true)), limit,
      );
    if (read === 'poll') {
      const record = consumer.poll();
      if (typeof record === 'number') return record === queues.EMPTY ? 0 : record;
      take(my, ...(new globalThis.Int32Array(record.buffer) as unknown as [number, number]));
      return 1;
    }
    const count = consumer.available(limit);
    if (count < 0) return count === queues.EMPTY ? 0 : count;
    for (let i = 0; i < count; i++)
      take(my, consumer.words[consumer.wordOf(i)], consumer.words[consumer.wordOf(i) + 1]);
    consumer.release(count);
    return count;
  }

  function consume(my: Receiver): Verdict {
    if (my.isFinished) return 'done';
    const count = readRecords(my);
    if (scenario.abandonsAfter !== undefined && notes[RECEIVED] >= scenario.abandonsAfter) {
      my.consumer!.close();
      my.isFinished = true;
    } else if (count === queues.CLOSED) {
      assert(scenario.closes === true, () => 'CLOSED by nobody');
      assert(
        notes[RECEIVED] === published()
          || (my.isSuccessor && isRightForSuccessor(published() + 1, notes[RECEIVED] + 1)),
        () => `CLOSED after ${notes[RECEIVED]} records of ${published()}`,
      );
      my.isFinished = true;
    } else if (scenario.closes !== true && notes[RECEIVED] === messages) {
      my.isFinished = true;
    } else if (count === 0) {
      return 'wait';
    }
  }

  function invariant(): void {
    assert(
      released() <= published() && published() - released() <= capacity,
      () => `${published()} published and ${released()} released in a ring of ${capacity}`,
    );
    for (let record = released() + 1; record <= published(); record++) {
      const at = (queueLayout.bytes >> 2) + (((start + record - 1) & (capacity - 1)) << 1);
      const [first, second] = [words[at], words[at + 1]];
      assert(
        first === record && second === ~record,
        () => `record ${record} is published, unread, and holds ${first} and ${second}`,
      );
    }
    // Until it closes.
    if (heir.sender.producer !== null && heir.sender.sent < messages)
      assert(
        Atomics.load(words, PRODUCER_THREAD) === SUCCESSOR + 1,
        () => 'the successor of the producer has lost its place',
      );
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
    if (scenario.isImpatient === true) return tryToSucceed();
    heir.role = supervision.vacancy();
    if (heir.role === 0) return 'wait';
    if (heir.role === CONSUMER) {
      heir.receiver.consumer = queues.sub(queue);
    } else if (Atomics.load(words, PHASE) === 0) {
      heir.sender.producer = queues.pub(queue, { publishEvery: { records: publishEvery } });
      heir.sender.sent = published();
    } else {
      // It died while it closed.
      return 'done';
    }
  }

  function tryToSucceed(): Verdict {
    try {
      heir.receiver.consumer = queues.sub(queue);
      heir.role = CONSUMER;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_PERCORE_NO_PLACE') throw error;
      return 'wait';
    }
  }

  function checkLoss(): void {
    const committed = sender.sent - sender.producer!.unpublished;
    assert(
      published() >= committed,
      () => `${committed} were flushed, ${published()} are published: more was lost than was unpublished`,
    );
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
        checkLoss();
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
  if (recovers) {
    for (let i = 0; i < (scenario.supervisors ?? 1); i++)
      threads.push({ ...supervision.supervisor, threadId: SUPERVISOR + i });
    threads.push({
      name: 'successor', owns: [heir], step: succeed, unobserved: UNOBSERVED, threadId: SUCCESSOR, mayWait: true,
    });
  }

  return explore({
    memory, threads, invariant, reduces: scenario.reduces,
    atEnd({ dead, waiting }) {
      const received = notes[RECEIVED];
      if (recovers && dead.length > 0) {
        assert(heir.role !== 0 && !waiting.includes('successor'), () => 'the successor never came to its end');
        // Received is checked where the consumer finds CLOSED.
        assert(published() === messages, () => `after the death ${published()} were published of ${messages}`);
      } else if (dead.includes('producer')) {
        assert(received === published(), () => `${published()} published before the death, ${received} received`);
      } else if (dead.includes('consumer')) {
        assert(
          waiting.includes('producer') || sender.sent === messages, () => 'the producer neither waits nor has sent all',
        );
        // The claim that does not fit begins behind all that is published.
        if (waiting.includes('producer'))
          assert(
            published() - released() + batch > capacity,
            () => `the producer waits beside ${published() - released()} unread records`,
          );
      } else if (scenario.abandonsAfter === undefined) {
        assert(received === messages, () => `${received} of ${messages} received`);
      } else if (sender.wasRefused) {
        // Told, and told how many nobody has read.
        const dropped = sender.producer!.view.getFloat64(DROPPED_CLOSED, true);
        assert(
          received + dropped === published(),
          () => `${published()} published, ${received} received, ${dropped} counted as dropped`,
        );
      }
    },
  });
}
