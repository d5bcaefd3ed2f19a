/**
 * Random commands against a plain array, at capacities that fill and wrap every few steps, with the sequence starting at 0
 * and just below both wraps. After each command the ring's cursors must say what the model says. A failure prints its
 * seed, path and the shortest commands that fail.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { queueLayout } from '../layout.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, create, pub, sub } from './index.js';
import type { FixedConsumer, FixedProducer, VariableConsumer, VariableProducer } from './index.js';

const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const RUNS = 150;
const RECORD_BYTES = 4;

/** A record as the model keeps it. `units` is what it takes of the ring: 1, or its bytes with header and padding. */
interface Kept {
  readonly payload: readonly number[];
  readonly type: number;
  readonly units: number;
}

/** The queue as an array with marks: released | read | published, of which the consumer has seen some | committed. */
class Model {
  committed: Kept[] = [];
  published: Kept[] = [];
  /** How many of the published records the consumer's last look has seen. */
  seen = 0;
  /** Units read and not yet released. */
  held = 0;
  /** Units committed since the start. */
  position = 0;
  isClosed = false;
  isAbandoned = false;

  /** `met` counts what happened, so that a run that tried nothing fails. */
  constructor(readonly start: number, readonly capacity: number, private readonly met: Map<string, number>) {}

  meet(event: string): void {
    this.met.set(event, (this.met.get(event) ?? 0) + 1);
  }

  get used(): number {
    return this.held + [...this.published, ...this.committed].reduce((sum, { units }) => sum + units, 0);
  }

  room(units: number): number {
    if (this.used + units <= this.capacity) return OK;
    this.meet(this.isAbandoned ? 'closed to the producer' : 'full');
    return this.isAbandoned ? CLOSED : BACK_PRESSURED;
  }

  commit(record: Kept, publishEvery: number): void {
    this.committed.push(record);
    this.position += record.units;
    if (this.committed.length >= publishEvery) this.flush();
  }

  flush(): void {
    this.published.push(...this.committed);
    this.committed = [];
  }

  /** What the consumer is told: how many records it has seen, or why none. */
  look(): number {
    if (this.seen === 0) this.seen = this.published.length;
    if (this.seen > 0) return this.seen;
    this.meet(this.isClosed ? 'closed to the consumer' : 'empty');
    return this.isClosed ? CLOSED : EMPTY;
  }

  take(): Kept {
    const record = this.published.shift()!;
    this.seen--;
    this.held += record.units;
    return record;
  }

  release(): void {
    this.held = 0;
  }

  check(words: Int32Array): void {
    const published = [...this.published].reduce((sum, { units }) => sum + units, 0);
    const unpublished = this.committed.reduce((sum, { units }) => sum + units, 0);
    expect((words[PRODUCER_CURSOR] - this.start) | 0, 'the published sequence').toBe(this.position - unpublished);
    expect((words[PRODUCER_CURSOR] - words[CONSUMER_CURSOR]) | 0, 'what lies between the cursors').toBe(published + this.held);
    if (words[PRODUCER_CURSOR] < this.start) this.meet('wrapped past 2^31');
    if (this.start < 0 && words[PRODUCER_CURSOR] >= 0) this.meet('wrapped past 2^32');
  }
}

interface Fixed { producer: FixedProducer; consumer: FixedConsumer; reopen(): void }
interface Variable { producer: VariableProducer; consumer: VariableConsumer; reopen(): void }

/** One command: what it does to both, with its numbers for the failure's report. Every command ends with Model.check. */
function command<Real extends Fixed | Variable>(name: string, run: (model: Model, real: Real) => void, when: (model: Model) => boolean = () => true): fc.Command<Model, Real> {
  return {
    check: when,
    run(model, real) {
      run(model, real);
      model.check(real.producer.words);
    },
    toString: () => name,
  };
}

/** Ends come late in a script, so that they find a queue that has wrapped. */
const isOld = ({ position, capacity }: Model): boolean => position > 2 * capacity;

/** There are more ways to receive than to send; without this the queue would be empty most of the time. */
const oftenFull = <Each>(sends: Each[]): Each[] => [...sends, ...sends, ...sends];

/** Commands that both kinds share. */
function common<Real extends Fixed | Variable>(publishEvery: number): fc.Arbitrary<fc.Command<Model, Real>>[] {
  return [
    fc.constant(command<Real>('flush', (model, { producer }) => {
      producer.flush();
      model.flush();
    })),
    fc.constant(command<Real>('publishRelease', (model, { consumer }) => {
      consumer.publishRelease();
      model.release();
    })),
    fc.constant(command<Real>('reopen', (model, real) => {
      // New ends begin where the cursors stand: what was not published or released is as it was before.
      real.producer.flush();
      model.flush();
      real.consumer.publishRelease();
      model.release();
      real.reopen();
      real.producer.publishEvery = publishEvery;
      model.seen = 0;
    })),
    fc.constant(command<Real>('close', (model, { producer }) => {
      producer.close();
      model.flush();
      model.isClosed = true;
    }, isOld)),
    fc.constant(command<Real>('abandon', (model, { consumer }) => {
      consumer.close();
      model.isAbandoned = true;
    }, isOld)),
  ];
}

const isOpen = (model: Model): boolean => !model.isClosed;
const byte = fc.integer({ min: 0, max: 255 });

function fixedCommands(publishEvery: number, capacity: number): fc.Arbitrary<fc.Command<Model, Fixed>>[] {
  const commitOne = (model: Model, payload: readonly number[]): void =>
    model.commit({ payload: [...payload, 0, 0, 0, 0].slice(0, RECORD_BYTES), type: 0, units: 1 }, publishEvery);
  const receive = (model: Model, view: DataView, offset: number): void =>
    expect(Array.from({ length: RECORD_BYTES }, (_, i) => view.getUint8(offset + i))).toEqual(model.take().payload);

  const sends: fc.Arbitrary<fc.Command<Model, Fixed>>[] = [
    fc.array(byte, { maxLength: RECORD_BYTES + 1 }).map((payload) => command(`offer [${payload.join()}]`, (model, { producer }) => {
      const expected = payload.length > RECORD_BYTES ? TOO_LARGE : model.room(1);
      expect(producer.offer(Uint8Array.from(payload))).toBe(expected);
      if (expected === OK) commitOne(model, payload);
    }, isOpen)),
    fc.tuple(fc.integer({ min: 0, max: capacity + 1 }), fc.integer({ min: 0, max: capacity }), byte).map(([count, used, first]) => command(`claim ${count}, commit ${used}, from ${first}`, (model, { producer }) => {
      const at = producer.tryClaim(count);
      if (count < 1 || count > capacity) return expect(at).toBe(TOO_LARGE);
      const expected = model.room(count);
      if (expected !== OK) return expect(at).toBe(expected);
      expect(at).toBe((model.start + model.position) & (capacity - 1));
      for (let i = 0; i < count; i++) producer.bytes.set([first, i, 255 - i, 1], producer.offsetOf(at, i));
      if (used === 0) return producer.abort();
      if (used > count) return expect(() => producer.commit(used)).toThrow('without a claim');
      producer.commit(used);
      // One commit publishes at most once, whatever its count.
      for (let i = 0; i < used; i++) model.commit({ payload: [first, i, 255 - i, 1], type: 0, units: 1 }, i === used - 1 ? publishEvery : Infinity);
    }, isOpen)),
  ];
  const receives: fc.Arbitrary<fc.Command<Model, Fixed>>[] = [
    fc.constant(command<Fixed>('poll', (model, { consumer }) => {
      const code = model.look();
      const record = consumer.poll();
      if (code < 0) return expect(record).toBe(code);
      expect([...(record as Uint8Array)]).toEqual(model.take().payload);
      model.release();
    })),
    fc.integer({ min: 0, max: capacity + 1 }).map((limit) => command(`drain ${limit}`, (model, { consumer }) => {
      const code = model.look();
      const count = consumer.drain((view, offset) => receive(model, view, offset), limit);
      expect(count).toBe(code === EMPTY ? 0 : Math.min(code, limit));
      if (code > 0) model.release();
    })),
    fc.integer({ min: 0, max: capacity - 1 }).map((bad) => command(`drain, throw at ${bad}`, (model, { consumer }) => {
      let at = 0;
      const code = model.look();
      const drain = (): number => consumer.drain((view, offset) => {
        receive(model, view, offset);
        if (at++ === bad) throw new Error('thrown');
      });
      if (code > bad) {
        expect(drain).toThrow('thrown');
        model.meet('thrown');
      } else {
        expect(drain()).toBe(code === EMPTY ? 0 : code);
      }
      consumer.publishRelease();
      model.release();
    })),
    fc.tuple(fc.integer({ min: 1, max: capacity }), fc.integer({ min: 0, max: capacity })).map(([limit, used]) => command(`peek ${limit}, release ${used}`, (model, { consumer }) => {
      const code = model.look();
      const count = consumer.peek(limit);
      expect(count).toBe(Math.min(code, limit));
      for (let i = 0; i < count; i++) expect(Array.from(consumer.bytes.subarray(consumer.offsetOf(i), consumer.offsetOf(i) + RECORD_BYTES))).toEqual(model.published[i].payload);
      if (count <= 0 || used === 0) return;
      for (let i = 0; i < Math.min(used, count); i++) model.take();
      consumer.release(Math.min(used, count));
      model.release();
    })),
  ];
  return [...common<Fixed>(publishEvery), ...oftenFull(sends), ...receives];
}

function variableCommands(publishEvery: number, capacity: number): fc.Arbitrary<fc.Command<Model, Variable>>[] {
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
    fc.tuple(fc.array(byte, { maxLength: most + 1 }), fc.integer({ min: 0, max: 9 })).map(([payload, type]) => command(`offer [${payload.join()}] of type ${type}`, (model, { producer }) => {
      const padding = payload.length > most ? 0 : skipped(model, payload.length);
      const expected = payload.length > most ? TOO_LARGE : model.room(framed(payload.length) + padding);
      expect(producer.offer(Uint8Array.from(payload), type)).toBe(expected);
      if (expected !== OK) return;
      if (padding > 0) model.meet('padded');
      model.commit({ payload, type, units: framed(payload.length) + padding }, publishEvery);
    }, isOpen)),
    fc.tuple(fc.integer({ min: -1, max: most + 1 }), fc.integer({ min: -1, max: most + 1 }), byte).map(([length, used, fill]) => command(`claim ${length}, commit ${used}, of ${fill}`, (model, { producer }) => {
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
      producer.commit(used);
      model.commit({ payload: Array.from({ length: used }, () => fill), type: fill, units: framed(used) + padding }, publishEvery);
    }, isOpen)),
  ];
  const receives: fc.Arbitrary<fc.Command<Model, Variable>>[] = [
    fc.constant(command<Variable>('poll', (model, { consumer }) => {
      const code = model.look();
      const payload = consumer.poll();
      if (code < 0) return expect(payload).toBe(code);
      receive(model, payload as Uint8Array, consumer.type);
      model.release();
    })),
    fc.integer({ min: 0, max: 5 }).map((limit) => command(`drain ${limit}`, (model, { consumer }) => {
      const code = limit === 0 ? 0 : model.look();
      // Unlike a fixed queue's, this drain looks again when it has used up what it had seen.
      const expected = code > 0 ? Math.min(limit, model.published.length) : code === CLOSED ? CLOSED : 0;
      const count = consumer.drain((view, offset, length, type) => {
        if (model.seen === 0) model.look();
        receive(model, new Uint8Array(view.buffer, view.byteOffset + offset, length), type);
      }, limit);
      expect(count).toBe(expected);
      if (count < limit && model.seen === 0) model.look();
      consumer.publishRelease();
      model.release();
    })),
    fc.boolean().map((releases) => command(`peek, advance${releases ? ', publishRelease' : ''}`, (model, { consumer }) => {
      const code = model.look();
      const offset = consumer.peek();
      if (code < 0) return expect(offset).toBe(code);
      expect(consumer.peek(), 'peeked again').toBe(offset);
      receive(model, consumer.bytes.slice(offset, offset + consumer.length), consumer.type);
      consumer.advance();
      if (!releases) return model.meet('held');
      consumer.publishRelease();
      model.release();
    })),
  ];
  return [...common<Variable>(publishEvery), ...oftenFull(sends), ...receives];
}

/** Runs random commands on new queues and returns what they met. */
function check<Real extends Fixed | Variable>(start: number, capacity: number, commands: (publishEvery: number) => fc.Arbitrary<fc.Command<Model, Real>>[], open: (publishEvery: number) => Real): Map<string, number> {
  const met = new Map<string, number>();
  for (const publishEvery of [1, 3]) {
    fc.assert(fc.property(fc.commands(commands(publishEvery), { maxCommands: 80, size: 'max' }), (script) => {
      fc.modelRun(() => ({ model: new Model(start | 0, capacity, met), real: open(publishEvery) }), script);
    }), { numRuns: RUNS });
  }
  return met;
}

/** The wrap that a queue that starts at `start` must have passed. */
const wrapFrom = (start: number): string[] => (start === 0 ? [] : [start < 2 ** 31 ? 'wrapped past 2^31' : 'wrapped past 2^32']);

describe('a fixed queue does what an array does', () => {
  const cases = [2, 4].flatMap((capacity) => [0, 2 ** 31 - 3, 2 ** 32 - 3].map((start) => ({ capacity, start })));

  it.each(cases)('capacity $capacity, from sequence $start', ({ capacity, start }) => {
    const met = check<Fixed>(start, capacity, (publishEvery) => fixedCommands(publishEvery, capacity), (publishEvery) => {
      const queue = create({ kind: 'spsc', capacity, recordBytes: RECORD_BYTES, startSequence: start });
      const real: Fixed = { producer: pub(queue, { publishEvery }), consumer: sub(queue), reopen: () => Object.assign(real, { producer: pub(queue), consumer: sub(queue) }) };
      return real;
    });
    expect([...met.keys()]).toEqual(expect.arrayContaining(['full', 'empty', 'thrown', 'closed to the producer', 'closed to the consumer', ...wrapFrom(start)]));
  });
});

describe('a variable queue does what an array does', () => {
  const cases = [32, 64].flatMap((capacity) => [0, 2 ** 31 - 24, 2 ** 32 - 24].map((start) => ({ capacity, start })));

  it.each(cases)('$capacity bytes, from sequence $start', ({ capacity, start }) => {
    const met = check<Variable>(start, capacity, (publishEvery) => variableCommands(publishEvery, capacity), (publishEvery) => {
      const queue = create({ kind: 'spsc', capacityBytes: capacity, startSequence: start });
      const real: Variable = { producer: pub(queue, { publishEvery }), consumer: sub(queue), reopen: () => Object.assign(real, { producer: pub(queue), consumer: sub(queue) }) };
      return real;
    });
    expect([...met.keys()]).toEqual(expect.arrayContaining(['full', 'empty', 'padded', 'held', 'closed to the producer', 'closed to the consumer', ...wrapFrom(start)]));
  });
});
