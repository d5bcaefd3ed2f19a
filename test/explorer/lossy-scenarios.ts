/**
 * A consumer that may be lapped, under the explorer: it copies records while the producer may write over them, and must
 * never hand on one that was mixed, repeated or out of order, and count exactly what it lost. Its plain reads race by
 * design (`racyReads`), so any copy that was not whole holds POISON.
 *
 * Record `n` (from 1) of a fixed ring holds the words n and ~n; of a variable ring it has type n and a payload of bytes
 * 16n, 16n + 1, ...
 */
import { FIRST_PLACE_BYTES, placeLayout, queueLayout } from '../../src/layout.js';
import type * as Queues from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { seenFrom } from '../../src/queues/mark.js';
import { UNOBSERVED, assert, makeNotes, makeWorld, nameQueue, supervise, type Seed } from './world.js';

export interface LossyScenario {
  start?: number;
  /** Records, or bytes of a ring of variable records. */
  capacity?: number;
  /** Payload bytes of each record of a variable ring; fixed records if left out. */
  lengths?: readonly number[];
  messages?: number;
  publishEvery?: number;
  /** 'evict': as soon as it is in the way; it then subscribes again, as one that holds the producer back. */
  policy?: 'drop-oldest' | 'evict';
  /** It joins at any time, in place of before all. */
  joins?: boolean;
  /** Most records of one drain. */
  limit?: number;
  /** Bytes that the consumer copies at once, in place of 16 KiB. */
  scratchBytes?: number;
  /**
   * Gives its place up after so many records; another consumer takes it over, by default one that holds the producer
   * back.
   */
  leavesAfter?: number;
  nextPolicy?: 'wait' | 'drop-oldest';
  /** Ends the queue after so many records; the producer is told. */
  closesAfter?: number;
  /** Another consumer that holds the producer back reads beside it. */
  beside?: boolean;
  /** A party dies; a supervisor recovers; another one, of the same policy, takes its place. */
  dies?: 'producer' | 'consumer';
  seeds?: readonly Seed[];
}

const fields = queueLayout.fields;
const PRODUCER_CURSOR = fields.producerCursor.at >> 2;
const PHASE = fields.phase.at >> 2;
const place = placeLayout.fields;
const PRODUCER = 1;
const CONSUMER = 2;
/** Notes: the last record given to anybody, how many were; that one has closed; and how many were published. */
const LAST = 0;
const RECEIVED = 1;
const GONE = 2;
const PUBLISHED = 3;

interface Sender {
  producer: Queues.VariableProducer | null;
  sent: number;
  isRefused: boolean;
}
interface Reader {
  consumer: Queues.LossyConsumer | Queues.FixedConsumer | Queues.VariableConsumer | null;
  /** Given to its own handler; and its `lost` when it began to count. */
  received: number;
  /** Its own first record less 1. */
  base: number;
  phase: 'join' | 'read' | 'done';
}

const payloadOf = (record: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => 16 * record + i);

export function lossyRing(scenario: LossyScenario): Report {
  const {
    start = 0, lengths, capacity = lengths === undefined ? 2 : 32, publishEvery = 1, policy = 'drop-oldest', limit = 2,
    scratchBytes = 16,
  } = scenario;
  const messages = lengths?.length ?? scenario.messages ?? 4;
  const world = makeWorld([
    { file: 'lossy-consumer.js', from: 'SCRATCH_BYTES = 16 * 1024', to: `SCRATCH_BYTES = ${scratchBytes}` },
    ...(scenario.seeds ?? []),
  ]);
  const { memory, queues } = world;
  const { Atomics, Int32Array } = world.globals;
  const size = lengths === undefined ? { capacity, recordBytes: 8 } : { capacityBytes: capacity };
  const places = scenario.beside === true ? 2 : 1;
  const queue = queues.create({
    kind: places === 1 ? 'spsc' : 'spmc', startSequence: start, ...(places === 1 ? {} : { maxConsumers: places }),
    ...size,
  } as Queues.FixedOptions<'spsc' | 'spmc'>);
  nameQueue(world, queue);
  const words = new Int32Array(queue.buffer);
  const notes = makeNotes(world, 4);
  const gone = new Int32Array(new world.globals.SharedArrayBuffer(4));
  memory.name(gone.buffer as SharedArrayBuffer, 'gone');
  const isAlone =
    policy === 'drop-oldest'
    && scenario.joins !== true
    && scenario.leavesAfter === undefined
    && scenario.beside !== true
    && scenario.dies === undefined;

  // Of the kind that the queue has; both have the methods used here.
  const publish = (): Queues.VariableProducer =>
    queues.pub(queue as unknown as Queues.VariableQueue, { publishEvery: { records: publishEvery } });
  const producer = memory.as(PRODUCER, publish);
  const sender: Sender = { producer, sent: 0, isRefused: false };
  const subscribe = (whenSlow: Queues.WhenSlow): Reader['consumer'] =>
    queues.sub(queue as Queues.FixedQueue, { whenSlow, ...(whenSlow === 'evict' ? { evictAfterMs: 0 } : {}) });
  const joins = scenario.joins === true;
  const reader: Reader = {
    consumer: joins ? null : memory.as(CONSUMER, () => subscribe(policy)), received: 0, base: joins ? -1 : 0,
    phase: joins ? 'join' : 'read',
  };
  const other: Reader = {
    consumer: places === 1 ? null : memory.as(CONSUMER + 1, () => subscribe('wait')), received: 0, base: 0,
    phase: 'read',
  };
  const next: Reader = { consumer: null, received: 0, base: 0, phase: 'join' };

  const bytesOf = (record: number): Uint8Array =>
    lengths === undefined
      ? new Uint8Array(new globalThis.Int32Array([record, ~record]).buffer)
      : payloadOf(record, lengths[record - 1]);

  function produce(my: Sender): Verdict {
    if (my.sent === messages || my.isRefused) {
      my.producer!.close();
      return 'done';
    }
    const record = my.sent + 1;
    const code = my.producer!.offer(bytesOf(record), record);
    if (code === queues.BACK_PRESSURED) {
      assert(!isAlone, () => `record ${record} is refused for a consumer that chose to lose`);
      return 'wait';
    }
    if (code === queues.CLOSED) my.isRefused = true;
    else assert(code === queues.OK, () => `offer of record ${record} answered ${code}`);
    my.sent++;
    notes[PUBLISHED] = my.sent;
  }

  /** `my` is given a record: whole, next in order, and as many behind its first as it was given or told lost. */
  function take(my: Reader, view: DataView, offset: number, length: number, type: number): void {
    const record = lengths === undefined ? view.getInt32(offset, true) : type;
    const bytes = Array.from({ length }, (_, i) => view.getUint8(offset + i));
    assert(
      record >= 1 && record <= messages && bytes.join() === bytesOf(record).join(),
      () => `received a mixed record: type ${type}, ${bytes.join()}`,
    );
    const lost = lostBy(my);
    if (my.received === 0 && my.base < 0) my.base = record - 1 - lost;
    assert(
      record === my.base + my.received + lost + 1,
      () => `received record ${record} after ${my.received} received and ${lost} lost`,
    );
    my.received++;
    if (my !== other) {
      assert(record > notes[LAST], () => `received record ${record} again`);
      notes[LAST] = record;
      notes[RECEIVED]++;
    }
  }

  const lostBy = ({ consumer }: Reader): number => (consumer instanceof queues.LossyConsumer ? consumer.lost : 0);

  function read(my: Reader, joinsAs: Queues.WhenSlow): Verdict {
    switch (my.phase) {
      case 'join':
        // Where nobody has read before, nothing was let go.
        my.base = my === reader && policy === 'drop-oldest' && places === 1 ? 0 : -1;
        my.consumer = subscribe(joinsAs);
        my.phase = 'read';
        return;
      case 'read': {
        const count = my.consumer!.drain((view, offset, length, type) => take(my, view, offset, length, type), limit);
        forgetCopies(my);
        if (count === queues.CLOSED) {
          if (my.base >= 0)
            assert(
              my.base + my.received + lostBy(my) === messages,
              () => `CLOSED after ${my.base + my.received} received and ${lostBy(my)} lost of ${messages}`,
            );
          my.phase = 'done';
        } else if (count === queues.EVICTED) {
          my.consumer!.leave();
          my.consumer = null;
          my.received = 0;
          my.phase = 'join';
        } else if (my === reader && scenario.leavesAfter !== undefined && my.received >= scenario.leavesAfter) {
          my.consumer!.leave();
          Atomics.store(gone, 0, 1);
          my.phase = 'done';
        } else if (my === reader && scenario.closesAfter !== undefined && my.received >= scenario.closesAfter) {
          my.consumer!.close();
          notes[GONE] = 1;
          my.phase = 'done';
        } else if (count === 0) {
          return 'wait';
        }
        return;
      }
      case 'done':
        return 'done';
    }
  }

  /** What was copied and handed on is nobody's any more: states that differ in it are one. */
  function forgetCopies({ consumer }: Reader): void {
    const copies = consumer as unknown as {
      scratch?: Uint8Array;
      from: number;
      until: number;
      offset: number;
      length: number;
      type: number;
    };
    if (copies.scratch === undefined || copies.from !== copies.until) return;
    copies.scratch.fill(0);
    copies.from = copies.until = copies.offset = copies.length = copies.type = 0;
  }

  const supervision = supervise(world, queue);
  const heir = { isCalled: false, sender: { producer: null, sent: 0, isRefused: false } as Sender };

  /** Takes the place of whoever has died. */
  function succeed(): Verdict {
    if (!heir.isCalled) {
      if (supervision.vacancy() === 0) return 'wait';
      heir.isCalled = true;
      if (scenario.dies === 'consumer') return;
      if (Atomics.load(words, PHASE) !== 0) return 'done';
      heir.sender.producer = publish();
      // It may have published one that it had not noted.
      heir.sender.sent =
        lengths === undefined
          ? (seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)) - start) | 0
          : recordsUpTo(seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)));
      return;
    }
    return scenario.dies === 'consumer' ? read(next, policy) : produce(heir.sender);
  }

  /** How many records of a variable ring end before a cursor. */
  function recordsUpTo(cursor: number): number {
    let at = start | 0;
    for (let count = 0; ; count++) {
      if (at === (cursor | 0)) return count;
      const bytes = 8 + Math.ceil(lengths![count] / 8) * 8;
      const toEnd = capacity - (at & (capacity - 1));
      at = (at + bytes + (bytes <= toEnd ? 0 : toEnd)) | 0;
    }
  }

  /** Comes when the first one has left. */
  function follow(): Verdict {
    if (next.phase === 'join' && Atomics.load(gone, 0) === 0) return 'wait';
    return read(next, scenario.nextPolicy ?? 'wait');
  }

  const racyReads = [{ buffer: queue.buffer, from: queueLayout.bytes + (places - 1) * placeLayout.bytes }];
  const threads: VirtualThread[] = [
    {
      name: 'producer', owns: [sender], step: () => produce(sender), unobserved: UNOBSERVED, threadId: PRODUCER,
      mayDie: scenario.dies === 'producer', onDeath: () => supervision.announce(PRODUCER),
    },
    {
      name: 'consumer', owns: [reader], step: () => read(reader, scenario.policy === 'evict' ? 'wait' : policy),
      unobserved: UNOBSERVED, threadId: CONSUMER, racyReads, mayDie: scenario.dies === 'consumer',
      onDeath: () => supervision.announce(CONSUMER),
    },
  ];
  if (scenario.beside === true)
    threads.push({
      name: 'other', owns: [other], step: () => read(other, 'wait'), unobserved: UNOBSERVED, threadId: CONSUMER + 1,
    });
  if (scenario.leavesAfter !== undefined)
    threads.push({ name: 'next', owns: [next], step: follow, unobserved: UNOBSERVED, racyReads, mayWait: true });
  if (scenario.dies !== undefined) {
    threads.push(supervision.supervisor);
    threads.push({
      name: 'successor', owns: [heir, next], step: succeed, unobserved: UNOBSERVED, racyReads, mayWait: true,
    });
  }

  const counter = (at: number): number => producer.view.getFloat64(at, true);
  return explore({
    memory, threads,
    atEnd({ dead, waiting }) {
      const [consumed, oldest, evicted] = [place.consumed, place.droppedOldest, place.droppedEvicted].map(({ at }) =>
        counter(FIRST_PLACE_BYTES + at),
      );
      const closed = counter(fields.droppedClosed.at);
      assert(!waiting.includes('successor') || dead.length === 0, () => 'the successor never came to its end');
      if (scenario.beside === true)
        assert(other.received === messages, () => `the one beside received ${other.received} of ${messages}`);
      const hasTold = notes[GONE] === 0 || sender.isRefused;
      // A dead one had perhaps taken copies that it never handed on.
      if (dead.length === 0 && hasTold && (!joins || places === 1)) {
        const sum = `${consumed} consumed, ${oldest} lost, ${evicted} lost after an eviction, ${closed} dropped at `
          + `the end, ${notes[PUBLISHED]} sent, ${notes[RECEIVED]} received`;
        assert(
          consumed === notes[RECEIVED] && consumed + oldest + evicted + closed === notes[PUBLISHED],
          () => `wrong sum: ${sum}`,
        );
      }
      if (lengths === undefined && notes[GONE] === 0) {
        const published = (seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)) - start) | 0;
        assert(published === messages, () => `${published} of ${messages} published`);
      }
    },
  });
}
