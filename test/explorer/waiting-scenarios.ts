/**
 * Nobody sleeps for ever: those that wait for records, for room or for the stage before them, by the event count of
 * waiting.ts, with its futex. A sleeper that nobody will wake is stuck, which the explorer reports by itself. Record
 * `n` (from 1) holds the word n.
 *
 * With `dies`, whoever wakes others may vanish between any two accesses; a supervisor then calls recover().
 */
import type * as Queues from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { UNOBSERVED, assert, makeWorld, nameQueue, supervise, type Seed, type World } from './world.js';

export interface WaitingScenario {
  start?: number;
  messages?: number;
  publishEvery?: number;
  /** A second consumer reads behind the first, and waits for it. */
  follows?: boolean;
  /** The consumer, the first of two, looks again and again, and does not sleep. */
  consumerPolls?: boolean;
  /** The producer does so. */
  producerPolls?: boolean;
  /** A third thread closes the queue; the consumers read until CLOSED. */
  closes?: boolean;
  /**
   * Its thread may vanish. The others must come to their end, or sleep for want of records or room that the dead one
   * would have made.
   */
  dies?: 'producer' | 'consumer' | 'closer';
  seeds?: readonly Seed[];
}

const CAPACITY = 2;
const PRODUCER = 1;
const CONSUMER = 10;

interface Receiver {
  consumer: Queues.FixedConsumer;
  received: number;
  isClosed: boolean;
}

/** One ring: `spsc`, or `spmc` with a consumer behind another. */
export function waitingRing(scenario: WaitingScenario): Report {
  const { start = 0, messages = 3, publishEvery = 1, follows = false, closes = false, dies } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues } = world;
  const shape = { capacity: CAPACITY, recordBytes: 4, startSequence: start };
  const queue = follows
    ? queues.create({ kind: 'spmc', ...shape, maxConsumers: 2, consumers: { first: {}, second: { after: ['first'] } } })
    : queues.create({ kind: 'spsc', ...shape });
  nameQueue(world, queue);
  const producer = memory.as(PRODUCER, () =>
    queues.pub(queue as Queues.FixedQueue, { publishEvery: { records: publishEvery } }),
  );
  const names = follows ? ['first', 'second'] : [undefined];
  const receivers = names.map((name, i): Receiver => ({
    consumer: memory.as(CONSUMER + i, () => queues.sub(queue as Queues.FixedQueue, name === undefined ? {} : { name })),
    received: 0, isClosed: false,
  }));
  const sending = { sent: 0, waits: false, isClosed: false };

  function produce(): Verdict {
    if (sending.sent === messages || sending.isClosed) {
      producer.flush();
      return 'done';
    }
    if (sending.waits) {
      sending.waits = false;
      // The shipped call, sleep and all.
      if (producer.roomSync() === queues.CLOSED) sending.isClosed = true;
      return;
    }
    const at = producer.tryClaim();
    if (at === queues.CLOSED) {
      sending.isClosed = true;
      return;
    }
    if (at < 0) {
      if (scenario.producerPolls === true) return 'wait';
      sending.waits = true;
      return;
    }
    producer.words[producer.wordOf(at)] = ++sending.sent;
    if (producer.commit() === queues.CLOSED) sending.isClosed = true;
  }

  function consume(my: Receiver): Verdict {
    if (my.isClosed || (!closes && my.received === messages)) return 'done';
    const count = my.consumer.drain((view, offset) => {
      const record = view.getInt32(offset, true);
      assert(record === ++my.received, () => `received ${record} where ${my.received} was due`);
    });
    if (count === queues.CLOSED) my.isClosed = true;
    else if (count === 0 && scenario.consumerPolls === true && my === receivers[0]) return 'wait';
    else if (count === 0) my.consumer.readySync();
  }

  const supervision = supervise(world, queue);
  const common = { unobserved: UNOBSERVED };
  const threads: VirtualThread[] = [
    {
      name: 'producer', owns: [producer, sending], step: produce, threadId: PRODUCER, mayDie: dies === 'producer',
      mayWait: dies === 'consumer', onDeath: () => supervision.announce(PRODUCER), ...common,
    },
    ...receivers.map((my, i): VirtualThread => ({
      name: `consumer${i}`, owns: [my], step: () => consume(my), threadId: CONSUMER + i,
      mayDie: i === 0 && dies === 'consumer', mayWait: dies !== undefined,
      onDeath: () => supervision.announce(CONSUMER + i), ...common,
    })),
  ];
  if (dies !== undefined) threads.push(supervision.supervisor);
  if (closes)
    threads.push({
      name: 'closer', owns: [], step: closer(world, queue), mayDie: dies === 'closer', threadId: 30,
      onDeath: () => supervision.announce(30),
    });

  return explore({
    memory, threads,
    atEnd({ dead, waiting }) {
      if (dead.length === 0)
        assert(
          closes || receivers.every(({ received }) => received === messages), () => 'somebody has not received all',
        );
      const { consumers, depth, isClosed } = queues.inspect(queue);
      assert(
        !isClosed || waiting.every((name) => name === 'supervisor'),
        () => `the queue is closed, and ${waiting.join()} never learned of it`,
      );
      // Whoever is alive has read all that it could: nobody sleeps beside a record.
      receivers.forEach((_, i) => {
        if (dead.includes(`consumer${i}`)) return;
        const lag = consumers.find(({ place }) => place === i)!.lag;
        // A declared place is held where the dead one stood.
        const due = dead.includes('consumer0') ? consumers[0].lag : 0;
        assert(closes || lag === due, () => `consumer${i} sleeps beside ${lag - due} records`);
      });
      assert(
        !dead.includes('consumer0') || sending.sent === messages || depth === CAPACITY,
        () => `the producer sleeps, and ${depth} of ${CAPACITY} are taken`,
      );
    },
  });
}

function closer({ queues }: World, queue: Queues.Queue): () => Verdict {
  return () => {
    queues.close(queue);
    return 'done';
  };
}

export interface WaitingLanesScenario {
  start?: number;
  /** Messages of each producer. */
  producers: readonly number[];
  /** The last producer joins meanwhile. */
  joins?: boolean;
  /** Number of a producer that may vanish. */
  dies?: number;
  seeds?: readonly Seed[];
}

/** One consumer sleeps over all lanes of an MPSC queue. */
export function waitingLanes(scenario: WaitingLanesScenario): Report {
  const { start = 0, producers, joins = false, dies } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues } = world;
  const queue = queues.create({
    kind: 'mpsc', capacity: CAPACITY, recordBytes: 8, startSequence: start, maxProducers: producers.length,
    maxConsumers: 1,
  });
  nameQueue(world, queue);
  const isLate = (number: number): boolean => joins && number === producers.length - 1;
  const senders = producers.map((_, number) => ({
    producer: isLate(number) ? null : memory.as(PRODUCER + number, () => queues.pub(queue)), sent: 0,
  }));
  const consumer = memory.as(CONSUMER, () => queues.sub(queue));
  const receiving = { received: producers.map(() => 0), waits: false };

  function produce(number: number): Verdict {
    const my = senders[number];
    if (my.producer === null) {
      my.producer = queues.pub(queue);
      return;
    }
    if (my.sent === producers[number]) return 'done';
    const at = my.producer.tryClaim();
    if (at < 0) return 'wait';
    my.producer.words[my.producer.wordOf(at)] = number;
    my.producer.words[my.producer.wordOf(at) + 1] = ++my.sent;
    my.producer.commit();
  }

  function consume(): Verdict {
    if (receiving.received.every((count, number) => count === producers[number])) return 'done';
    if (receiving.waits) {
      receiving.waits = false;
      consumer.readySync();
      return;
    }
    const count = consumer.drain((view, offset) => {
      const number = view.getInt32(offset, true);
      assert(
        view.getInt32(offset + 4, true) === ++receiving.received[number],
        () => `a record of producer ${number} came out of order`,
      );
    });
    if (count === 0) receiving.waits = true;
  }

  const supervision = supervise(world, queue);
  const threads: VirtualThread[] = [
    ...senders.map((my, number): VirtualThread => ({
      name: `producer${number}`, owns: [my], step: () => produce(number), unobserved: UNOBSERVED,
      threadId: PRODUCER + number, mayDie: dies === number, onDeath: () => supervision.announce(PRODUCER + number),
    })),
    {
      name: 'consumer', owns: [consumer, receiving], step: consume, unobserved: UNOBSERVED, threadId: CONSUMER,
      mayWait: dies !== undefined,
    },
  ];
  if (dies !== undefined) threads.push(supervision.supervisor);
  return explore({
    memory, threads,
    atEnd() {
      const { depth } = queues.inspect(queue);
      assert(depth === 0, () => `the consumer sleeps beside ${depth} records`);
    },
  });
}
