/**
 * One producer, several readers, each with a place of its own: gating, joining and leaving at run time, behind one
 * another. Record `n` (from 1) holds the words n and ~n; a reader with `marks` writes over the second, so that who
 * reads behind it can tell.
 *
 * With `dies`, a party may vanish between any two accesses; a supervisor then calls recover(), and a successor comes:
 * another producer that goes on behind the last published record, or another reader.
 */
import { FIRST_PLACE_BYTES, placeLayout, queueLayout } from '../../src/layout.js';
import type * as Queues from '../../src/queues/index.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { seenFrom } from '../../src/queues/mark.js';
import { UNOBSERVED, assert, makeNotes, makeWorld, nameQueue, supervise, type Seed } from './world.js';

export interface ReaderScript {
  /** Joins at any time, in place of before all. */
  joins?: boolean;
  /** Joins when all readers that leave have left. */
  joinsAfterLeavers?: boolean;
  /** Leaves after so many records, in place of reading until CLOSED. */
  leavesAfter?: number;
  /** Places of readers that must have released a record before. */
  after?: readonly number[];
  /** Writes into the records. */
  marks?: boolean;
  /** Reads by peek and release. */
  peeks?: boolean;
}

export interface SpmcScenario {
  start?: number;
  capacity?: number;
  messages?: number;
  publishEvery?: number;
  readers: readonly ReaderScript[];
  /** The readers without `joins` are declared when the queue is made. */
  declared?: boolean;
  /** Number of a reader, or the producer. */
  dies?: number | 'producer';
  /** False: nobody takes the dead one's place. */
  hasHeir?: boolean;
  /** Most records of one drain. */
  limit?: number;
  seeds?: readonly Seed[];
}

const fields = queueLayout.fields;
const PRODUCER_CURSOR = fields.producerCursor.at >> 2;
const PHASE = fields.phase.at >> 2;
const placeWord = (place: number, field: keyof typeof placeLayout.fields): number =>
  (FIRST_PLACE_BYTES + place * placeLayout.bytes + placeLayout.fields[field].at) >> 2;
const HELD = 2;
const GATING = 4;
const PRODUCER = 1;
const READER = 10;
/**
 * Notes: records published; readers that leave, have left or have died; then two of each reader: the first and the last
 * record it was given.
 */
const PUBLISHED = 0;
const LEFT = 1;
const first = (reader: number): number => 2 + 2 * reader;
const last = (reader: number): number => 3 + 2 * reader;
const marked = (record: number): number => record ^ 0x0f0f0f0f;

interface Sender {
  producer: Queues.FixedProducer | null;
  sent: number;
}
interface Reader {
  number: number;
  consumer: Queues.FixedConsumer | null;
  /** Bounds of what the first record may be. */
  least: number;
  most: number;
  phase: 'join' | 'joined' | 'read' | 'done';
}

export function spmcRing(scenario: SpmcScenario): Report {
  const { start = 0, capacity = 2, messages = 3, publishEvery = 1, limit = capacity, readers } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues } = world;
  const { Atomics, Int32Array } = world.globals;
  const nameOf = (reader: number): string => `r${reader}`;
  const isDeclared = (reader: number): boolean => scenario.declared === true && readers[reader]?.joins !== true;
  const declared = readers
    .map(({ after = [] }, i) => [nameOf(i), { after: after.map(nameOf) }] as const)
    .filter((_, i) => isDeclared(i));
  const places = readers.length;
  const queue = queues.create({
    kind: 'spmc', capacity, recordBytes: 8, startSequence: start, maxConsumers: places,
    ...(declared.length > 0 ? { consumers: Object.fromEntries(declared) } : {}),
  });
  nameQueue(world, queue);
  const words = new Int32Array(queue.buffer);
  const notes = makeNotes(world, 2 + 2 * (readers.length + 1));
  const published = (): number => (seenFrom(start, Atomics.load(words, PRODUCER_CURSOR)) - start) | 0;
  const leavers = readers.filter(({ leavesAfter }) => leavesAfter !== undefined).length;

  const sender: Sender = {
    producer: memory.as(PRODUCER, () => queues.pub(queue, { publishEvery: { records: publishEvery } })), sent: 0,
  };
  const subscribe = (reader: number, script: ReaderScript): Queues.FixedConsumer =>
    queues.sub(
      queue, isDeclared(reader) ? { name: nameOf(reader) } : script.after === undefined ? {} : { after: script.after },
    );
  const mine = readers.map((script, number): Reader => {
    const isLate = script.joins === true || script.joinsAfterLeavers === true;
    return {
      number, consumer: isLate ? null : memory.as(READER + number, () => subscribe(number, script)), least: 1, most: 1,
      phase: isLate ? 'join' : 'read',
    };
  });

  function produce(my: Sender): Verdict {
    const producer = my.producer!;
    if (my.sent === messages) {
      producer.close();
      return 'done';
    }
    const at = producer.tryClaim();
    if (at < 0) return 'wait';
    my.sent++;
    producer.words[producer.wordOf(at)] = my.sent;
    producer.words[producer.wordOf(at) + 1] = ~my.sent;
    const code = producer.commit();
    assert(code === queues.OK, () => `commit of record ${my.sent} answered ${code}`);
    if (producer.unpublished === 0) notes[PUBLISHED] = my.sent;
  }

  function take(my: Reader, script: ReaderScript, record: number, second: number): void {
    const { number } = my;
    if (notes[last(number)] === 0) {
      assert(
        record >= my.least && record <= my.most,
        () => `reader ${number} begins with record ${record}, not with one from ${my.least} to ${my.most}`,
      );
      notes[first(number)] = record;
    } else {
      assert(
        record === notes[last(number)] + 1,
        () => `reader ${number} received record ${record} after ${notes[last(number)]}`,
      );
    }
    const isUnmarked = second === ~record;
    // Who reads behind one that marks sees its marks, while it is there.
    const mustBeMarked = script.after?.some((other) => readers[other].marks === true) === true;
    if (mustBeMarked && isUnmarked)
      assert(notes[LEFT] > 0, () => `reader ${number} received record ${record} before the one it reads behind`);
    else
      assert(
        isUnmarked || second === marked(record), () => `reader ${number} received record ${record} with ${second}`,
      );
    notes[last(number)] = record;
  }

  function readRecords(my: Reader, script: ReaderScript): number {
    const consumer = my.consumer!;
    if (script.peeks === true) {
      const count = consumer.available(limit);
      if (count < 0) return count === queues.EMPTY ? 0 : count;
      for (let i = 0; i < count; i++)
        take(my, script, consumer.words[consumer.wordOf(i)], consumer.words[consumer.wordOf(i) + 1]);
      consumer.release(count);
      return count;
    }
    return consumer.drain((view, offset) => {
      const record = view.getInt32(offset, true);
      take(my, script, record, view.getInt32(offset + 4, true));
      if (script.marks === true) view.setInt32(offset + 4, marked(record), true);
    }, limit);
  }

  function read(my: Reader, script: ReaderScript): Verdict {
    switch (my.phase) {
      case 'join': {
        // Notes are looked at together with the access before, which this is; one that nobody else makes.
        if (script.joinsAfterLeavers === true && Atomics.load(gate, 0) < leavers) return 'wait';
        my.least = lowestFirst(my, script);
        my.consumer = subscribe(my.number, script);
        my.phase = 'joined';
        return;
      }
      case 'joined':
        my.most = published() + 1;
        my.phase = 'read';
        return;
      case 'read': {
        const count = readRecords(my, script);
        const wants = script.leavesAfter ?? Infinity;
        if (count === queues.CLOSED) {
          assert(
            notes[last(my.number)] === messages || notes[last(my.number)] === 0,
            () => `reader ${my.number} is told CLOSED after record ${notes[last(my.number)]} of ${messages}`,
          );
          my.phase = 'done';
        } else if (notes[last(my.number)] >= wants) {
          notes[LEFT]++;
          my.consumer!.leave();
          Atomics.add(gate, 0, 1);
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

  /** The lowest record that one who joins now may begin with. */
  function lowestFirst(my: Reader, script: ReaderScript): number {
    if (script.joinsAfterLeavers !== true) return isTakeOver() ? 1 : notes[PUBLISHED] + 1;
    // It takes over where one of them has left: nothing is let go while nobody reads.
    const left = mine
      .filter(({ number }) => readers[number].leavesAfter !== undefined)
      .map(({ number }) => notes[last(number)] + 1);
    assert(left.length > 0 && my.number >= 0, () => 'nobody leaves');
    return Math.min(...left);
  }

  /** True while one that joins may find a place that was left. */
  const isTakeOver = (): boolean => leavers > 0;
  const gate = new Int32Array(new world.globals.SharedArrayBuffer(4));
  memory.name(gate.buffer as SharedArrayBuffer, 'gate');

  function invariant(): void {
    for (let place = 0; place < places; place++) {
      const state = Atomics.load(words, placeWord(place, 'state'));
      if (state !== HELD && state !== GATING) continue;
      const released = (Atomics.load(words, placeWord(place, 'cursor')) - start) | 0;
      assert(
        released <= published() && published() - released <= capacity,
        () => `${published()} published and ${released} released by place ${place} in a ring of ${capacity}`,
      );
      for (let record = released + 1; record <= published(); record++) {
        const at =
          ((queueLayout.bytes + (places - 1) * placeLayout.bytes) >> 2)
          + (((start + record - 1) & (capacity - 1)) << 1);
        assert(
          words[at] === record && (words[at + 1] === ~record || words[at + 1] === marked(record)),
          () => `record ${record} is published, unread, and holds ${words[at]} and ${words[at + 1]}`,
        );
      }
    }
  }

  const supervision = supervise(world, queue);
  const heirNumber = typeof scenario.dies === 'number' ? scenario.dies : 0;
  const heirScript: ReaderScript = { ...readers[heirNumber], leavesAfter: undefined };
  const heir = {
    isCalled: false, sender: { producer: null, sent: 0 } as Sender,
    reader: { number: readers.length, consumer: null, least: 1, most: messages, phase: 'read' } as Reader,
  };

  function succeed(): Verdict {
    if (heir.isCalled) return scenario.dies === 'producer' ? produce(heir.sender) : read(heir.reader, heirScript);
    if (supervision.vacancy() === 0) return 'wait';
    heir.isCalled = true;
    if (scenario.dies !== 'producer') {
      // A declared place goes on where it stands, as one that nobody else could have taken; another begins at what is
      // published.
      heir.reader.least = isDeclared(heirNumber) ? notes[last(heirNumber)] + (heirScript.peeks === true ? 0 : 1) : 1;
      heir.reader.consumer = subscribe(heirNumber, heirScript);
    } else if (Atomics.load(words, PHASE) === 0) {
      heir.sender.producer = queues.pub(queue, { publishEvery: { records: publishEvery } });
      heir.sender.sent = published();
    } else {
      return 'done';
    }
  }

  const threads: VirtualThread[] = [
    {
      name: 'producer', owns: [sender], step: () => produce(sender), unobserved: UNOBSERVED, threadId: PRODUCER,
      mayDie: scenario.dies === 'producer', onDeath: () => supervision.announce(PRODUCER),
    },
    ...mine.map((my, number): VirtualThread => ({
      name: `reader${number}`,
      owns: [my],
      step: () => read(my, readers[number]),
      unobserved: UNOBSERVED,
      threadId: READER + number,
      mayDie: scenario.dies === number,
      onDeath() {
        notes[LEFT]++;
        supervision.announce(READER + number);
      },
    })),
  ];
  if (scenario.dies !== undefined) threads.push(supervision.supervisor);
  if (scenario.dies !== undefined && scenario.hasHeir !== false)
    threads.push({ name: 'successor', owns: [heir], step: succeed, unobserved: UNOBSERVED, mayWait: true });

  return explore({
    memory, threads, invariant,
    atEnd({ dead, waiting }) {
      assert(published() === messages, () => `${published()} of ${messages} published`);
      assert(dead.length === 0 || !waiting.includes('successor'), () => 'the successor never came to its end');
      readers.forEach((script, number) => {
        if (script.leavesAfter !== undefined || script.joins === true || dead.includes(`reader${number}`)) return;
        // It took over where somebody who had read all has left.
        const isNothingLeft =
          notes[last(number)] === 0
          && readers.some(({ leavesAfter }, other) => leavesAfter !== undefined && notes[last(other)] === messages);
        assert(
          notes[last(number)] === messages || isNothingLeft,
          () => `reader ${number} received up to ${notes[last(number)]} of ${messages}`,
        );
      });
    },
  });
}
