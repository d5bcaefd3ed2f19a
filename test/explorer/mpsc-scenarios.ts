/**
 * Many producers, each with a lane, and one consumer or two: producers that join and leave, lanes that are handed over,
 * a queue that a third thread closes. Record `n` (from 1) of producer `p` holds the words p and n, so each consumer
 * sees the order that each producer keeps.
 *
 * With `dies`, a party may vanish between any two accesses; a supervisor then calls recover(), and a successor comes:
 * another producer, for whom there is no lane but the dead one's, or another consumer.
 */
import { queueLayout } from '../../src/layout.js';
import { ringOf } from '../../src/queues/group.js';
import type * as Queues from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { seenFrom } from '../../src/queues/mark.js';
import { UNOBSERVED, assert, makeNotes, makeWorld, nameQueue, supervise, type Seed } from './world.js';

export interface LaneScript {
  messages: number;
  /** Joins at any time, in place of before all. */
  joins?: boolean;
  /** Joins when another has left, whose lane it may take. */
  joinsAfterLeaver?: boolean;
  /** Gives its lane up behind its last record. */
  leaves?: boolean;
}

export interface SharerScript {
  /** Hands `lane` to the consumer at place `to`, once it has read so many records. */
  handsOver?: { lane: number; to: number; after: number };
  /** Leaves after so many records. */
  leavesAfter?: number;
}

export interface MpscScenario {
  start?: number;
  producers: readonly LaneScript[];
  consumers?: readonly SharerScript[];
  /** Default: as many as there are producers. */
  lanes?: number;
  /** A third thread closes the queue; the consumers read until CLOSED. */
  closes?: boolean;
  /** Number of a producer, or any one consumer. */
  dies?: number | 'consumer';
  /** Messages of the producer that succeeds. */
  heirs?: number;
  /** False: nobody takes the place of a consumer that has died; the others take its lanes. */
  hasHeir?: boolean;
  /** The consumers read by poll. */
  polls?: boolean;
  /** Most records of one drain. */
  limit?: number;
  seeds?: readonly Seed[];
}

const CAPACITY = 2;
const PRODUCER = 1;
const CONSUMER = 20;
const CURSOR = queueLayout.fields.producerCursor.at >> 2;
const RELEASED = queueLayout.fields.consumerCursor.at >> 2;
/**
 * Notes of each producer: its last record that was read; how many it has committed; the last that was taken; the first
 * that was not.
 */
const NOTES_EACH = 4;
const read = (producer: number): number => NOTES_EACH * producer;
const committed = (producer: number): number => NOTES_EACH * producer + 1;
const accepted = (producer: number): number => NOTES_EACH * producer + 2;
const rejected = (producer: number): number => NOTES_EACH * producer + 3;

interface Sender {
  readonly number: number;
  producer: Queues.FixedProducer | null;
  sent: number;
  phase: 'join' | 'send' | 'leave' | 'done';
}
interface Receiver {
  readonly number: number;
  consumer: SharingConsumer | null;
  received: number;
  isHandedOver: boolean;
  isDone: boolean;
  /** Bit p: it has read a record of producer p. */
  met: number;
}
type SharingConsumer = Queues.MpscConsumer<Queues.FixedConsumer>;

export function mpscQueue(scenario: MpscScenario): Report {
  const {
    start = 0, producers, consumers = [{}], lanes = producers.length, closes = false, dies, heirs = 0, limit = CAPACITY,
  } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues } = world;
  const { Atomics, Int32Array } = world.globals;
  const queue = queues.create({
    kind: 'mpsc', capacity: CAPACITY, recordBytes: 8, startSequence: start, maxProducers: lanes,
    maxConsumers: consumers.length,
  });
  nameQueue(world, queue);
  const words = new Int32Array(queue.buffer);
  const heirNumber = producers.length;
  const notes = makeNotes(world, NOTES_EACH * (producers.length + 1) + 1);
  /** Note: a consumer has died. */
  const widowed = NOTES_EACH * (producers.length + 1);
  const hasFollower = producers.some(({ joinsAfterLeaver }) => joinsAfterLeaver === true);
  const gate = new Int32Array(new world.globals.SharedArrayBuffer(4));
  memory.name(gate.buffer as SharedArrayBuffer, 'gate');
  const due = (producer: number): number => (producer === heirNumber ? heirs : producers[producer].messages);
  const isAllRead = (): boolean => producers.every(({ messages }, producer) => notes[read(producer)] === messages);

  const senders = producers.map((script, number): Sender => {
    const isLate = script.joins === true || script.joinsAfterLeaver === true;
    return {
      number, producer: isLate ? null : memory.as(PRODUCER + number, () => queues.pub(queue)), sent: 0,
      phase: isLate ? 'join' : 'send',
    };
  });
  const receivers = consumers.map((_, number): Receiver => ({
    number, consumer: memory.as(CONSUMER + number, () => queues.sub(queue)), received: 0, isHandedOver: false,
    isDone: false, met: 0,
  }));

  /** Takes a lane; null when the queue is closed. */
  function join(): Queues.FixedProducer | null {
    try {
      return queues.pub(queue);
    } catch (error) {
      if (closes && (error as { code?: string }).code === 'ERR_PERCORE_CLOSED') return null;
      throw error;
    }
  }

  function produce(my: Sender, script: LaneScript): Verdict {
    switch (my.phase) {
      case 'join':
        if (script.joinsAfterLeaver === true && Atomics.load(gate, 0) === 0) return 'wait';
        my.producer = join();
        my.phase = my.producer === null ? 'done' : 'send';
        return;
      case 'send': {
        const producer = my.producer!;
        if (my.sent === due(my.number)) {
          my.phase = script.leaves === true ? 'leave' : 'done';
          return;
        }
        const at = producer.tryClaim();
        if (at === queues.CLOSED) my.phase = 'leave';
        if (at < 0) return at === queues.CLOSED ? undefined : 'wait';
        my.sent++;
        producer.words[producer.wordOf(at)] = my.number;
        producer.words[producer.wordOf(at) + 1] = my.sent;
        const code = producer.commit();
        notes[committed(my.number)] = my.sent;
        if (code === queues.OK) notes[accepted(my.number)] = my.sent;
        else my.phase = 'leave';
        if (code !== queues.OK) notes[rejected(my.number)] = my.sent;
        assert(
          code === queues.OK || (closes && code === queues.CLOSED),
          () => `commit of record ${my.sent} answered ${code}`,
        );
        return;
      }
      case 'leave':
        my.producer!.leave();
        if (hasFollower) Atomics.add(gate, 0, 1);
        my.phase = 'done';
        return;
      case 'done':
        return 'done';
    }
  }

  function take(my: Receiver, producer: number, record: number): void {
    const last = notes[read(producer)];
    // What a drain of the dead one had begun is not read again, and nothing else is missing.
    const missing = notes[widowed] === 1 && (my.met & (1 << producer)) === 0 ? limit : 0;
    assert(
      record > last && record <= last + 1 + missing,
      () => `consumer ${my.number} received record ${record} of producer ${producer} after ${last}`,
    );
    assert(
      !closes || notes[rejected(producer)] === 0 || record < notes[rejected(producer)],
      () => `record ${record} of producer ${producer} was received; its commit answered CLOSED`,
    );
    notes[read(producer)] = record;
    my.met |= 1 << producer;
    my.received++;
  }

  /** Reads what there is. Returns how many, 0, or CLOSED. */
  function readRecords(my: Receiver, consumer: SharingConsumer): number {
    if (scenario.polls !== true)
      return consumer.drain(
        (view, offset) => take(my, view.getInt32(offset, true), view.getInt32(offset + 4, true)), limit,
      );
    const record = consumer.poll();
    if (typeof record === 'number') {
      assert(record === queues.EMPTY || record === queues.CLOSED, () => `poll answered ${record}, and no record`);
      return record === queues.EMPTY ? 0 : record;
    }
    take(my, ...(new globalThis.Int32Array(record.buffer) as unknown as [number, number]));
    return 1;
  }

  function consume(my: Receiver, script: SharerScript): Verdict {
    if (my.isDone || (!closes && dies === undefined && isAllRead())) return 'done';
    const consumer = my.consumer!;
    const { handsOver, leavesAfter } = script;
    if (handsOver !== undefined && !my.isHandedOver && my.received >= handsOver.after) {
      my.isHandedOver = true;
      consumer.handOver(handsOver.lane, handsOver.to);
      return;
    }
    if (leavesAfter !== undefined && my.received >= leavesAfter) {
      my.isDone = true;
      consumer.leave();
      return;
    }
    const count = readRecords(my, consumer);
    if (count === queues.CLOSED) {
      assert(closes, () => `consumer ${my.number} was told CLOSED`);
      my.isDone = true;
    } else if (count === 0) {
      return 'wait';
    }
  }

  const supervision = supervise(world, queue);
  const heir = {
    isCalled: false,
    sender: { number: heirNumber, producer: null, sent: 0, phase: 'join' } as Sender,
    receiver: {
      number: consumers.length, consumer: null, received: 0, isHandedOver: false, isDone: false, met: 0,
    } as Receiver,
  };
  function succeed(): Verdict {
    if (!heir.isCalled) {
      if (supervision.vacancy() === 0) return 'wait';
      heir.isCalled = true;
      if (dies === 'consumer') heir.receiver.consumer = queues.sub(queue);
      return;
    }
    return dies === 'consumer' ? consume(heir.receiver, {}) : produce(heir.sender, { messages: heirs, leaves: true });
  }

  const mayWait = dies !== undefined;
  const threads: VirtualThread[] = [
    ...senders.map((my, number): VirtualThread => ({
      name: `producer${number}`, owns: [my], step: () => produce(my, producers[number]), unobserved: UNOBSERVED,
      threadId: PRODUCER + number, mayDie: dies === number, onDeath: () => supervision.announce(PRODUCER + number),
    })),
    ...receivers.map((my, number): VirtualThread => ({
      name: `consumer${number}`,
      owns: [my],
      step: () => consume(my, consumers[number]),
      unobserved: UNOBSERVED,
      threadId: CONSUMER + number,
      mayWait,
      mayDie: dies === 'consumer',
      onDeath() {
        notes[widowed] = 1;
        supervision.announce(CONSUMER + number);
      },
    })),
  ];
  if (mayWait) threads.push(supervision.supervisor);
  if (mayWait && scenario.hasHeir !== false)
    threads.push({ name: 'successor', owns: [heir], step: succeed, unobserved: UNOBSERVED, mayWait });
  if (closes) {
    const closer = (): Verdict => {
      queues.close(queue);
      return 'done';
    };
    threads.push({ name: 'closer', owns: [], step: closer });
  }

  return explore({
    memory, threads,
    invariant() {
      for (let lane = 0; lane < lanes; lane++) {
        const at = ringOf(queue, lane).byteOffset >> 2;
        const released = Atomics.load(words, at + RELEASED);
        const unread = (seenFrom(released, Atomics.load(words, at + CURSOR)) - released) | 0;
        assert(unread >= 0 && unread <= CAPACITY, () => `${unread} records lie unread in lane ${lane} of ${CAPACITY}`);
      }
    },
    atEnd({ dead, waiting }) {
      const { depth, dropped, published, consumed } = queues.inspect(queue);
      const numbers = [...producers.keys(), heirNumber];
      const sum = (of: (producer: number) => number): number =>
        numbers.reduce((total, producer) => total + notes[of(producer)], 0);
      if (closes) {
        for (const producer of numbers)
          assert(
            notes[read(producer)] === notes[accepted(producer)],
            () =>
              `producer ${producer} was told OK up to ${notes[accepted(producer)]}, and read is up to `
                + `${notes[read(producer)]}`,
          );
        assert(
          sum(committed) === sum(read) + dropped.closed,
          () => `${sum(committed)} committed, ${sum(read)} received, ${dropped.closed} counted as dropped`,
        );
        return;
      }
      // Who dies between a cursor and the counter beside it leaves the counter behind, or ahead.
      assert(
        depth === 0 && (dead.length > 0 || published === consumed),
        () => `${depth} records lie unread; ${published} published, ${consumed} consumed`,
      );
      producers.forEach(({ messages }, producer) => {
        const isDead = dead.includes(`producer${producer}`);
        const last = notes[read(producer)];
        assert(
          isDead ? last >= notes[accepted(producer)] : last === messages || (dead.length > 0 && dies === 'consumer'),
          () => `${last} of ${messages} records of producer ${producer} were received`,
        );
      });
      if (dead.length === 0) return;
      if (dies !== 'consumer')
        assert(
          !waiting.includes('successor') && notes[read(heirNumber)] === heirs,
          () => 'the successor did not send all its records',
        );
    },
  });
}
