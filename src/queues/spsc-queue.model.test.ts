/**
 * Random commands against a plain array, at capacities that fill and wrap every few steps, with sequences that begin at
 * 0 and just below both wraps. After each command the ring's cursors and counters must be what the model says. A
 * failure prints its seed, its path and the shortest commands that fail.
 *
 * Fixed rings have 2 and 4 records, the smallest that exist. A capacity is a power of two, since only those divide
 * 2^32; and in a ring of 1 the two ends would take turns with every record, so `create` refuses it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { field, placeField, same } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, create, inspect, pub, sub } from './index.js';
import { seenFrom } from './mark.js';
import type {
  FixedConsumer, FixedProducer, FixedQueue, VariableConsumer, VariableProducer, VariableQueue,
} from './index.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 4000 : 75;
const RECORD_BYTES = 4;

/**
 * A record as the model keeps it. `units` is how much of the ring it takes: 1, or its bytes with header and padding.
 */
interface Kept {
  readonly payload: readonly number[];
  readonly type: number;
  readonly units: number;
}

/** The queue as an array with marks: released | read | published, of which the consumer has seen some | committed. */
class Model {
  committed: Kept[] = [];
  published: Kept[] = [];
  /** How many of the published records the consumer has seen at its last look. */
  seen = 0;
  /** How many records were read and not yet released. */
  held: Kept[] = [];
  /** How many units were committed since the start. */
  position = 0;
  /** What the shared counters must say. */
  readonly total = { published: 0, consumed: 0, refused: 0, droppedClosed: 0 };
  isClosed = false;
  isAbandoned = false;
  /** True if the producer knows that the queue has ended. */
  isEnded = false;

  /** `met` counts what happened, so that a run that tried nothing fails. */
  constructor(
    readonly start: number, readonly capacity: number, readonly publishEvery: number,
    private readonly met: Map<string, number>,
  ) {}

  meet(event: string): void {
    this.met.set(event, (this.met.get(event) ?? 0) + 1);
  }

  private fits(units: number): boolean {
    return unitsOf([...this.held, ...this.published, ...this.committed]) + units <= this.capacity;
  }

  room(units: number): number {
    if (!this.isEnded && this.fits(units)) return OK;
    // A refused claim publishes what is unpublished, since nobody could wait for its room.
    if (!this.isEnded) this.flush();
    if (this.isAbandoned) this.end();
    if (this.isEnded) return this.answer('closed to the producer', CLOSED);
    this.total.refused++;
    return this.answer('full', BACK_PRESSURED);
  }

  commit(...records: Kept[]): number {
    this.committed.push(...records);
    this.position += unitsOf(records);
    return this.committed.length >= this.publishEvery ? this.flush() : OK;
  }

  flush(): number {
    const records = this.committed;
    this.committed = [];
    if (records.length === 0) return this.isEnded ? CLOSED : OK;
    if (this.isEnded) {
      this.position -= unitsOf(records);
      this.total.droppedClosed += records.length;
      return CLOSED;
    }
    this.published.push(...records);
    this.total.published += records.length;
    if (this.isAbandoned) this.end();
    return this.isEnded ? this.answer('published for nobody', CLOSED) : OK;
  }

  /** The producer learns that nobody reads any more: what was not read is lost and counted. */
  private end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.total.droppedClosed += this.total.published - this.total.consumed;
  }

  close(): void {
    this.flush();
    if (this.isAbandoned) this.end();
    this.isClosed = this.isEnded = true;
  }

  /** What the consumer is told: how many records it has seen, or why there are none. */
  look(): number {
    if (this.seen === 0) this.seen = this.published.length;
    if (this.seen > 0) return this.seen;
    return this.isClosed ? this.answer('closed to the consumer', CLOSED) : this.answer('empty', EMPTY);
  }

  take(): Kept {
    const record = this.published.shift()!;
    this.seen--;
    this.held.push(record);
    return record;
  }

  release(): void {
    this.total.consumed += this.held.length;
    this.held = [];
  }

  private answer(event: string, code: number): number {
    this.meet(event);
    return code;
  }

  check(queue: FixedQueue | VariableQueue, words: Int32Array): void {
    const released = words[placeField('cursor')];
    const cursor = seenFrom(released, words[field('producerCursor')]);
    same((cursor - this.start) | 0, this.position - unitsOf(this.committed), 'the published sequence');
    same((cursor - released) | 0, unitsOf([...this.held, ...this.published]), 'what lies between the cursors');
    const { published, consumed, refused, dropped } = inspect(queue);
    same({ published, consumed, refused, droppedClosed: dropped.closed }, this.total, 'the counters');
    if (cursor < this.start) this.meet('wrapped past 2^31');
    if (this.start < 0 && cursor >= 0) this.meet('wrapped past 2^32');
  }
}

const unitsOf = (records: readonly Kept[]): number => records.reduce((sum, { units }) => sum + units, 0);

/** Both ends of a queue, of fixed or of variable records. */
interface Ends<Producer, Consumer, Opened> { readonly queue: Opened; producer: Producer; consumer: Consumer }
type Fixed = Ends<FixedProducer, FixedConsumer, FixedQueue>;
type Variable = Ends<VariableProducer, VariableConsumer, VariableQueue>;

/**
 * One command: what it does to both, and its numbers, for the report of a failure. Every command ends with Model.check.
 */
function command<Real extends Fixed | Variable>(
  name: string, run: (model: Model, real: Real) => void, when: (model: Model) => boolean = () => true,
): fc.Command<Model, Real> {
  return {
    check: when,
    run(model, real) {
      run(model, real);
      model.check(real.queue, real.producer.words);
    },
    toString: () => name,
  };
}

/** Ends come late in a script, so that they meet a queue that has wrapped. */
const isOld = ({ position, capacity }: Model): boolean => position > 2 * capacity;
/** A consumer that has closed reads no more. */
const mayRead = ({ isAbandoned }: Model): boolean => !isAbandoned;

/**
 * There are more kinds of commands that receive than that send. Without this the queue would be empty most of the time.
 */
const oftenFull = <Each>(sends: Each[]): Each[] => [...sends, ...sends, ...sends];

/** Commands that both kinds share. */
const common = <Real extends Fixed | Variable>(): fc.Arbitrary<fc.Command<Model, Real>>[] => [
  fc.constant(command<Real>('flush', (model, { producer }) => void expect(producer.flush()).toBe(model.flush()))),
  fc.constant(
    command<Real>(
      'publishRelease',
      (model, { consumer }) => {
        consumer.publishRelease();
        model.release();
      },
      mayRead,
    ),
  ),
  fc.constant(
    command<Real>(
      'another producer',
      (model, real) => {
        real.producer.leave();
        model.flush();
        // The next one begins where the cursor stands, and does not know of an end that the first one had learnt of.
        real.producer = pub(real.queue as FixedQueue, {
          publishEvery: { records: model.publishEvery },
        }) as Real['producer'];
      },
      ({ isClosed, isAbandoned }) => !isClosed && !isAbandoned,
    ),
  ),
  fc.constant(
    command<Real>(
      'another consumer',
      (model, real) => {
        real.consumer.leave();
        model.release();
        real.consumer = sub(real.queue as FixedQueue) as Real['consumer'];
        model.seen = 0;
      },
      mayRead,
    ),
  ),
  fc.constant(
    command<Real>(
      'close',
      (model, { producer }) => {
        producer.close();
        model.close();
      },
      isOld,
    ),
  ),
  fc.constant(
    command<Real>(
      'abandon',
      (model, { consumer }) => {
        consumer.close();
        model.release();
        model.isAbandoned = true;
      },
      (model) => isOld(model) && mayRead(model),
    ),
  ),
];

const byte = fc.integer({ min: 0, max: 255 });

function fixedCommands(capacity: number): fc.Arbitrary<fc.Command<Model, Fixed>>[] {
  const kept = (payload: readonly number[]): Kept => ({
    payload: [...payload, 0, 0, 0, 0].slice(0, RECORD_BYTES), type: 0, units: 1,
  });
  const receive = (model: Model, view: DataView, offset: number): void =>
    expect(Array.from({ length: RECORD_BYTES }, (_, i) => view.getUint8(offset + i))).toEqual(model.take().payload);

  const sends: fc.Arbitrary<fc.Command<Model, Fixed>>[] = [
    fc.array(byte, { maxLength: RECORD_BYTES + 1 }).map((payload) =>
      command(`offer [${payload.join()}]`, (model, { producer }) => {
        const code = producer.offer(Uint8Array.from(payload));
        if (payload.length > RECORD_BYTES) return expect(code).toBe(TOO_LARGE);
        const room = model.room(1);
        expect(code).toBe(room === OK ? model.commit(kept(payload)) : room);
      }),
    ),
    fc
      .tuple(fc.integer({ min: 0, max: capacity + 1 }), fc.integer({ min: 0, max: capacity }), byte)
      .map(([count, used, first]) =>
        command(`claim ${count}, commit ${used}, from ${first}`, (model, { producer }) => {
          const at = producer.tryClaim(count);
          if (count < 1 || count > capacity) return expect(at).toBe(TOO_LARGE);
          const expected = model.room(count);
          if (expected !== OK) return expect(at).toBe(expected);
          expect(at).toBe((model.start + model.position) & (capacity - 1));
          for (let i = 0; i < count; i++) producer.bytes.set([first, i, 255 - i, 1], producer.offsetOf(at, i));
          if (used === 0) return producer.abort();
          if (used > count) return expect(() => producer.commit(used)).toThrow('without a claim');
          expect(producer.commit(used)).toBe(
            model.commit(...Array.from({ length: used }, (_, i) => kept([first, i, 255 - i, 1]))),
          );
        }),
      ),
  ];
  const receives: fc.Arbitrary<fc.Command<Model, Fixed>>[] = [
    fc.constant(
      command<Fixed>(
        'poll',
        (model, { consumer }) => {
          const code = model.look();
          const record = consumer.poll();
          if (code < 0) return expect(record).toBe(code);
          expect([...(record as Uint8Array)]).toEqual(model.take().payload);
          model.release();
        },
        mayRead,
      ),
    ),
    fc.integer({ min: 0, max: capacity + 1 }).map((limit) =>
      command(
        `drain ${limit}`,
        (model, { consumer }) => {
          const code = model.look();
          const count = consumer.drain((view, offset) => receive(model, view, offset), limit);
          expect(count).toBe(code === EMPTY ? 0 : Math.min(code, limit));
          model.release();
        },
        mayRead,
      ),
    ),
    fc.integer({ min: 0, max: capacity - 1 }).map((bad) =>
      command(
        `drain, throw at ${bad}`,
        (model, { consumer }) => {
          let at = 0;
          const code = model.look();
          const drain = (): number =>
            consumer.drain((view, offset) => {
              receive(model, view, offset);
              if (at++ === bad) throw new Error('thrown');
            });
          // What was handed out before the throw is released at the next drain, or by publishRelease.
          if (code > bad) {
            expect(drain).toThrow('thrown');
            return model.meet('thrown');
          }
          expect(drain()).toBe(code === EMPTY ? 0 : code);
          model.release();
        },
        mayRead,
      ),
    ),
    fc.tuple(fc.integer({ min: 1, max: capacity }), fc.integer({ min: 0, max: capacity + 1 })).map(([limit, used]) =>
      command(
        `peek ${limit}, release ${used}`,
        (model, { consumer }) => {
          const code = model.look();
          const count = consumer.available(limit);
          expect(count).toBe(Math.min(code, limit));
          for (let i = 0; i < count; i++)
            expect(
              Array.from(consumer.bytes.subarray(consumer.offsetOf(i), consumer.offsetOf(i) + RECORD_BYTES)),
            ).toEqual(model.published[i].payload);
          if (used > Math.max(code, 0)) {
            expect(() => consumer.release(used)).toThrow(
              `count must be 0 to ${Math.max(code, 0)}, the records that available() found`,
            );
            return model.meet('released too many');
          }
          consumer.release(used);
          for (let i = 0; i < used; i++) model.take();
          model.release();
        },
        mayRead,
      ),
    ),
  ];
  return [...common<Fixed>(), ...oftenFull(sends), ...receives];
}

function variableCommands(capacity: number): fc.Arbitrary<fc.Command<Model, Variable>>[] {
  const most = capacity / 2 - 8;
  const framed = (length: number): number => 8 + Math.ceil(length / 8) * 8;
  const skipped = (model: Model, length: number): number => {
    const toEnd = capacity - ((model.start + model.position) & (capacity - 1));
    return framed(length) > toEnd ? toEnd : 0;
  };
  const receive = (model: Model, payload: Uint8Array, type: number): void => {
    const kept = model.take();
    expect([[...payload], type]).toEqual([kept.payload, kept.type]);
  };

  const sends: fc.Arbitrary<fc.Command<Model, Variable>>[] = [
    fc.tuple(fc.array(byte, { maxLength: most + 1 }), fc.constantFrom(0, 1, 7, 2 ** 31 - 1)).map(([payload, type]) =>
      command(`offer [${payload.join()}] of type ${type}`, (model, { producer }) => {
        const code = producer.offer(Uint8Array.from(payload), type);
        if (payload.length > most) return expect(code).toBe(TOO_LARGE);
        const padding = skipped(model, payload.length);
        const room = model.room(framed(payload.length) + padding);
        if (room === OK && padding > 0) model.meet('padded');
        expect(code).toBe(
          room === OK ? model.commit({ payload, type, units: framed(payload.length) + padding }) : room,
        );
      }),
    ),
    fc
      .tuple(fc.integer({ min: -1, max: most + 1 }), fc.integer({ min: -1, max: most + 1 }), byte)
      .map(([length, used, fill]) =>
        command(`claim ${length}, commit ${used}, of ${fill}`, (model, { producer }) => {
          const offset = producer.tryClaim(length, fill);
          if (length < 0 || length > most) return expect(offset).toBe(TOO_LARGE);
          const padding = skipped(model, length);
          const expected = model.room(framed(length) + padding);
          if (expected !== OK) return expect(offset).toBe(expected);
          expect(offset % 8).toBe(0);
          producer.bytes.fill(fill, offset, offset + length);
          if (used < 0) return producer.abort();
          if (used > length) {
            expect(() => producer.commit(used)).toThrow('without a claim');
            return producer.abort();
          }
          const code = producer.commit(used);
          expect(code).toBe(
            model.commit({
              payload: Array.from({ length: used }, () => fill), type: fill, units: framed(used) + padding,
            }),
          );
        }),
      ),
  ];
  const receives: fc.Arbitrary<fc.Command<Model, Variable>>[] = [
    fc.constant(
      command<Variable>(
        'poll',
        (model, { consumer }) => {
          const code = model.look();
          const payload = consumer.poll();
          if (code < 0) return expect(payload).toBe(code);
          receive(model, payload as Uint8Array, consumer.type);
          model.release();
        },
        mayRead,
      ),
    ),
    fc.integer({ min: 0, max: 5 }).map((limit) =>
      command(
        `drain ${limit}`,
        (model, { consumer }) => {
          const code = limit === 0 ? 0 : model.look();
          // Unlike that of a fixed queue, this drain looks again when it has used up what it had seen.
          const expected = code > 0 ? Math.min(limit, model.published.length) : code === CLOSED ? CLOSED : 0;
          const count = consumer.drain((view, offset, length, type) => {
            if (model.seen === 0) model.look();
            receive(model, new Uint8Array(view.buffer, view.byteOffset + offset, length), type);
          }, limit);
          expect(count).toBe(expected);
          if (count < limit && model.seen === 0) model.look();
          model.release();
        },
        mayRead,
      ),
    ),
    fc.boolean().map((releases) =>
      command(
        `peek, advance${releases ? ', publishRelease' : ''}`,
        (model, { consumer }) => {
          const code = model.look();
          const offset = consumer.peek();
          if (code < 0) return expect(offset).toBe(code);
          expect(consumer.peek(), 'peeked again').toBe(offset);
          receive(model, consumer.bytes.slice(offset, offset + consumer.length), consumer.type);
          consumer.advance();
          if (!releases) return model.meet('held');
          consumer.publishRelease();
          model.release();
        },
        mayRead,
      ),
    ),
  ];
  return [...common<Variable>(), ...oftenFull(sends), ...receives];
}

/** Runs random commands on new queues and returns what they met. */
function check<Real extends Fixed | Variable>(
  start: number, capacity: number, commands: fc.Arbitrary<fc.Command<Model, Real>>[],
  open: (publishEvery: number) => Real,
): Map<string, number> {
  const met = new Map<string, number>();
  for (const publishEvery of [1, 3]) {
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 80, size: 'max' }), (script) => {
        fc.modelRun(
          () => ({ model: new Model(start | 0, capacity, publishEvery, met), real: open(publishEvery) }), script,
        );
      }),
      { numRuns: RUNS },
    );
  }
  return met;
}

/** The wraps that a queue which begins at `start` must have passed, and what every run must have met. */
const wrapFrom = (start: number): string[] =>
  start === 0 ? [] : [start < 2 ** 31 ? 'wrapped past 2^31' : 'wrapped past 2^32'];
const ALWAYS = ['full', 'empty', 'published for nobody', 'closed to the producer', 'closed to the consumer'];

describe('a fixed queue does what an array does', () => {
  const cases = [2, 4].flatMap((capacity) => [0, 2 ** 31 - 3, 2 ** 32 - 3].map((start) => ({ capacity, start })));

  it.each(cases)('capacity $capacity, from sequence $start', ({ capacity, start }) => {
    const met = check<Fixed>(start, capacity, fixedCommands(capacity), (publishEvery) => {
      const queue = create({ kind: 'spsc', capacity, recordBytes: RECORD_BYTES, startSequence: start });
      return { queue, producer: pub(queue, { publishEvery: { records: publishEvery } }), consumer: sub(queue) };
    });
    expect([...met.keys()]).toEqual(
      expect.arrayContaining([...ALWAYS, 'thrown', 'released too many', ...wrapFrom(start)]),
    );
  });
});

describe('a variable queue does what an array does', () => {
  const cases = [32, 64].flatMap((capacity) => [0, 2 ** 31 - 24, 2 ** 32 - 24].map((start) => ({ capacity, start })));

  it.each(cases)('$capacity bytes, from sequence $start', ({ capacity, start }) => {
    const met = check<Variable>(start, capacity, variableCommands(capacity), (publishEvery) => {
      const queue = create({ kind: 'spsc', capacityBytes: capacity, startSequence: start });
      return { queue, producer: pub(queue, { publishEvery: { records: publishEvery } }), consumer: sub(queue) };
    });
    expect([...met.keys()]).toEqual(expect.arrayContaining([...ALWAYS, 'padded', 'held', ...wrapFrom(start)]));
  });
});
