/**
 * Who ends a ring, and where: `close(queue)` from a third thread while a producer publishes, or the only consumer that
 * gives up. Record `n` (from 1) holds the words n and ~n. Each record must go one of two ways: all consumers are given
 * it, or nobody is and it is counted as dropped.
 */
import type * as Queues from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { UNOBSERVED, assert, makeNotes, makeWorld, nameQueue, type Seed } from './world.js';

export interface ClosingScenario {
  start?: number;
  /** Records of 8 bytes; or of 4 and 8 in turn, in a ring of 32 bytes. */
  isVariable?: boolean;
  messages?: number;
  publishEvery?: number;
  /** Gating consumers. More than one makes the queue `spmc`. */
  readers?: number;
  /** What the producer does behind its last record. Default: closes. */
  finishes?: 'close' | 'leave';
  /**
   * The only consumer ends the queue, behind so many records, in place of a third thread. The producer has more than it
   * can ever get rid of.
   */
  abandonsAfter?: number;
  /** The first consumer closes the queue before it reads, in place of a third thread. */
  readerCloses?: boolean;
  /** The consumers read by peek and release. */
  peeks?: boolean;
  seeds?: readonly Seed[];
}

const CAPACITY = 2;
const PRODUCER = 1;
const READER = 10;
/**
 * Notes: records committed; the last that was answered OK when it was published; the first that was answered CLOSED.
 * Then of each reader: its last.
 */
const COMMITTED = 0;
const ACCEPTED = 1;
const REJECTED = 2;
const last = (reader: number): number => 3 + reader;

export function closingRing(scenario: ClosingScenario): Report {
  const { start = 0, isVariable = false, publishEvery = 1, readers = 1, finishes = 'close', abandonsAfter } = scenario;
  const messages = abandonsAfter === undefined ? scenario.messages ?? 3 : abandonsAfter + CAPACITY + 1;
  const readerCloses = scenario.readerCloses === true;
  const world = makeWorld(scenario.seeds);
  const { memory, queues } = world;
  const kind = readers > 1 ? 'spmc' : 'spsc';
  const places = readers > 1 ? { maxConsumers: readers } : {};
  const queue = isVariable
    ? queues.create({ kind, capacityBytes: 16 * CAPACITY, startSequence: start, ...places })
    : queues.create({ kind, capacity: CAPACITY, recordBytes: 8, startSequence: start, ...places });
  nameQueue(world, queue);
  const notes = makeNotes(world, 3 + readers);

  const producer = memory.as(PRODUCER, () =>
    queues.pub(queue as Queues.FixedQueue, { publishEvery: { records: publishEvery } }),
  ) as Queues.FixedProducer | Queues.VariableProducer;
  const sender = { phase: 'send' as 'send' | 'flush' | 'leave' | 'done', sent: 0, isTold: false };
  const mine = Array.from({ length: readers }, (_, reader) => ({
    consumer: memory.as(READER + reader, () => queues.sub(queue as Queues.FixedQueue)) as
      Queues.FixedConsumer | Queues.VariableConsumer,
    isEnded: false,
    hasClosed: false,
  }));

  /** Claims and writes the next record: below 0 when there is no room. */
  function write(record: number): number {
    const length = isVariable && record % 2 === 1 ? 4 : 8;
    const at = isVariable
      ? (producer as Queues.VariableProducer).tryClaim(length, record)
      : (producer as Queues.FixedProducer).tryClaim();
    if (at < 0) return at;
    const offset = isVariable ? at : (producer as Queues.FixedProducer).offsetOf(at);
    producer.view.setInt32(offset, record, true);
    if (length === 8) producer.view.setInt32(offset + 4, ~record, true);
    return at;
  }

  /** `code`: what was answered when records were published, or were not. */
  function answered(code: number): void {
    assert(code === queues.OK || code === queues.CLOSED, () => `publishing record ${sender.sent} answered ${code}`);
    if (code === queues.OK && producer.unpublished === 0) notes[ACCEPTED] = sender.sent;
    // Those committed since the last that were published. A consumer that gives up may have read some of them: not the
    // last.
    if (code === queues.CLOSED && notes[REJECTED] === 0)
      notes[REJECTED] = abandonsAfter === undefined ? notes[ACCEPTED] + 1 : sender.sent;
    if (code === queues.CLOSED) sender.isTold = true;
  }

  function produce(): Verdict {
    switch (sender.phase) {
      case 'send': {
        if (sender.sent === messages) {
          sender.phase = 'flush';
          return;
        }
        const before = producer.unpublished;
        const at = write(sender.sent + 1);
        // What was committed was published by this look for room, or is counted by it. Only the sums know.
        if (at === queues.CLOSED) {
          sender.isTold = true;
          sender.phase = 'leave';
          return;
        }
        if (before > 0 && producer.unpublished === 0) notes[ACCEPTED] = sender.sent;
        if (at < 0) return 'wait';
        notes[COMMITTED] = ++sender.sent;
        answered(producer.commit());
        if (sender.isTold) sender.phase = 'leave';
        return;
      }
      case 'flush':
        if (producer.unpublished > 0) answered(producer.flush());
        sender.phase = 'leave';
        return;
      case 'leave':
        if (finishes === 'close') producer.close();
        else producer.leave();
        sender.phase = 'done';
        return;
      case 'done':
        return 'done';
    }
  }

  function take(reader: number, view: DataView, offset: number, length: number): void {
    const record = view.getInt32(offset, true);
    assert(
      record === notes[last(reader)] + 1,
      () => `reader ${reader} received record ${record} after ${notes[last(reader)]}`,
    );
    if (length === 8) assert(view.getInt32(offset + 4, true) === ~record, () => `record ${record} is torn`);
    notes[last(reader)] = record;
  }

  function readRecords(reader: number, limit: number): number {
    const { consumer } = mine[reader];
    if (scenario.peeks !== true || isVariable)
      return consumer.drain((view, offset, length) => take(reader, view, offset, length), limit);
    const count = (consumer as Queues.FixedConsumer).available(limit);
    if (count < 0) return count === queues.EMPTY ? 0 : count;
    for (let i = 0; i < count; i++) take(reader, consumer.view, (consumer as Queues.FixedConsumer).offsetOf(i), 8);
    (consumer as Queues.FixedConsumer).release(count);
    return count;
  }

  function consume(reader: number): Verdict {
    const my = mine[reader];
    if (readerCloses && reader === 0 && !my.hasClosed) {
      my.hasClosed = true;
      queues.close(queue);
      return;
    }
    if (abandonsAfter !== undefined && notes[last(reader)] === abandonsAfter) {
      my.consumer.close();
      return 'done';
    }
    const count = readRecords(reader, abandonsAfter === undefined ? CAPACITY : abandonsAfter - notes[last(reader)]);
    if (my.isEnded) {
      assert(count === queues.CLOSED, () => `reader ${reader} was told CLOSED, then ${count}`);
      return 'done';
    }
    if (count === queues.CLOSED) my.isEnded = true;
    else if (count === 0) return 'wait';
  }

  const threads: VirtualThread[] = [
    { name: 'producer', owns: [producer, sender], step: produce, unobserved: UNOBSERVED, threadId: PRODUCER },
    ...mine.map((my, reader): VirtualThread => ({
      name: `reader${reader}`, owns: [my, my.consumer], step: () => consume(reader), unobserved: UNOBSERVED,
      threadId: READER + reader,
    })),
  ];
  if (abandonsAfter === undefined && !readerCloses) {
    const closer = (): Verdict => {
      queues.close(queue);
      return 'done';
    };
    threads.push({ name: 'closer', owns: [], step: closer });
  }

  return explore({
    memory, threads, maxStates: 3e6,
    invariant() {
      for (let reader = 0; reader < readers; reader++) {
        const rejected = notes[REJECTED];
        assert(
          rejected === 0 || notes[last(reader)] < rejected,
          () => `reader ${reader} received record ${notes[last(reader)]}; the producer was told that `
            + `${rejected} came too late`,
        );
      }
    },
    atEnd() {
      const committed = notes[COMMITTED];
      const { consumed, dropped } = queues.inspect(queue);
      for (let reader = 0; reader < readers; reader++) {
        const end = notes[last(reader)];
        assert(
          end === notes[last(0)], () => `reader 0 ends behind record ${notes[last(0)]}, reader ${reader} behind ${end}`,
        );
        if (abandonsAfter === undefined)
          assert(
            end >= notes[ACCEPTED],
            () => `reader ${reader} ends behind record ${end}; the producer was told OK up to ${notes[ACCEPTED]}`,
          );
      }
      assert(
        consumed === readers * notes[last(0)],
        () => `${consumed} counted as consumed, ${notes[last(0)]} were received by each of ${readers}`,
      );
      assert(
        committed === notes[last(0)] + dropped.closed,
        () => `${committed} committed, ${notes[last(0)]} received, ${dropped.closed} counted as dropped`,
      );
      assert(abandonsAfter === undefined || sender.isTold, () => 'the producer was never told that nobody reads');
    },
  });
}
