/**
 * Random commands on a linked queue against a plain array, with chunks of 32 and 64 bytes and caps of 2 to 4 chunks,
 * from 0 and from just below both wraps. The model knows where each record lies and in which stretch each end stands,
 * and therefore when a chunk must be added, from where, and when none can be. A failure prints its seed, its path and
 * the shortest commands that fail. `PERCORE_STRESS=1` runs a hundred times as many scripts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkedLayout, queueLayout } from '../layout.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, create, inspect, pub, sub } from './index.js';
import { seenFrom } from './mark.js';
import type { LinkedQueue, VariableConsumer, VariableProducer } from './index.js';

const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const FRONT_BYTES = queueLayout.bytes + linkedLayout.bytes + 128;
const RUNS = process.env['PERCORE_STRESS'] === '1' ? 2500 : 25;

interface Kept {
  readonly payload: readonly number[];
  readonly type: number;
  /** The offset in bytes from the very beginning. */
  readonly begin: number;
  readonly end: number;
}

/** The queue as an array with marks: released | read | published, of which the consumer has seen some | committed. */
class Model {
  readonly committed: Kept[] = [];
  readonly published: Kept[] = [];
  /** How many of the published records the consumer has seen at its last look. */
  seen = 0;
  /**
   * Where the ends stand: behind the last committed record and behind the last published one; and where the consumer
   * reads, and up to where it has released.
   */
  next = 0;
  end = 0;
  read = 0;
  released = 0;
  /** True if a chunk is ready for the next record that does not fit into the present one. */
  isPromised = false;
  allocated = 2;
  isClosed = false;

  /** `met` counts what happened, so that a run that tried nothing fails. */
  constructor(
    readonly start: number, readonly chunkBytes: number, readonly chunks: number,
    private readonly met: Map<string, number>,
  ) {}

  meet(event: string): void {
    this.met.set(event, (this.met.get(event) ?? 0) + 1);
  }

  /** The number of the stretch in which a position lies. */
  private stretch(position: number): number {
    return Math.floor(((this.start & (this.chunkBytes - 1)) + position) / this.chunkBytes);
  }

  private beginOf(length: number): number {
    const bytes = 8 + Math.ceil(length / 8) * 8;
    const at = ((this.start & (this.chunkBytes - 1)) + this.next) % this.chunkBytes;
    return at + bytes + 8 <= this.chunkBytes ? this.next : this.next + this.chunkBytes - at;
  }

  /** What a claim of `length` bytes is answered with. A chunk that it needs is promised to it then. */
  claim(length: number): number {
    if (length < 0 || length > this.chunkBytes - 16) return TOO_LARGE;
    if (this.stretch(this.beginOf(length)) === this.stretch(this.next) || this.isPromised) return OK;
    const needed = this.stretch(this.next) + 2 - this.stretch(this.released);
    if (needed > this.chunks) {
      this.meet('full');
      // Nobody may wait for records that are not published.
      this.flush();
      return BACK_PRESSURED;
    }
    this.meet(needed > this.allocated ? 'grown' : 'used again');
    this.allocated = Math.max(this.allocated, needed);
    this.isPromised = true;
    return OK;
  }

  /** `claimed` may be more than what is written in the end; the position was chosen for it. */
  commit(claimed: number, payload: readonly number[], type: number, publishEvery: number): void {
    const begin = this.beginOf(claimed);
    if (begin !== this.next) this.isPromised = false;
    this.next = begin + 8 + Math.ceil(payload.length / 8) * 8;
    this.committed.push({ payload, type, begin, end: this.next });
    if (this.committed.length >= publishEvery) this.flush();
  }

  flush(): void {
    this.published.push(...this.committed.splice(0));
    this.end = this.next;
  }

  /** What the consumer is told: OK, or why there is nothing. It then stands where the next record begins. */
  look(): number {
    if (this.seen === 0) this.seen = this.published.length;
    if (this.seen === 0) {
      this.meet(this.isClosed ? 'closed' : 'empty');
      return this.isClosed ? CLOSED : EMPTY;
    }
    this.read = this.published[0].begin;
    return OK;
  }

  take(): Kept {
    const record = this.published.shift()!;
    this.seen--;
    this.read = record.end;
    return record;
  }

  release(): void {
    this.released = this.read;
  }

  check({ queue, words }: Real): void {
    const cursor = seenFrom(words[CONSUMER_CURSOR], words[PRODUCER_CURSOR]);
    expect((cursor - this.start) | 0, 'the published sequence').toBe(this.end);
    expect((words[CONSUMER_CURSOR] - this.start) | 0, 'the released sequence').toBe(this.released);
    const { allocated, inUse } = inspect(queue).chunks!;
    expect(allocated, 'chunks').toBe(this.allocated);
    expect(inUse, 'chunks in use').toBe(this.stretch(this.end) - this.stretch(this.released) + 1);
    if (cursor < this.start) this.meet('wrapped past 2^31');
    if (this.start < 0 && cursor >= 0) this.meet('wrapped past 2^32');
  }
}

interface Real {
  readonly queue: LinkedQueue;
  readonly words: Int32Array;
  producer: VariableProducer;
  consumer: VariableConsumer;
}
type Command = fc.Command<Model, Real>;

/** One command: what it does to both, and its numbers, for the report of a failure. */
function command(
  name: string, run: (model: Model, real: Real) => void, when: (model: Model) => boolean = () => true,
): Command {
  return {
    check: when,
    run(model, real) {
      run(model, real);
      model.check(real);
    },
    toString: () => name,
  };
}

const isOpen = (model: Model): boolean => !model.isClosed;
/** Closing comes late in a script, so that it meets a queue whose chunks were used again. */
const isOld = (model: Model): boolean => isOpen(model) && model.next > 3 * model.chunks * model.chunkBytes;
const byte = fc.integer({ min: 0, max: 255 });
const receive = (model: Model, payload: Uint8Array, type: number): void => {
  const kept = model.take();
  expect([[...payload], type]).toEqual([kept.payload, kept.type]);
};

function commandsFor(publishEvery: number, chunkBytes: number): fc.Arbitrary<Command>[] {
  const most = chunkBytes - 16;
  const sends: fc.Arbitrary<Command>[] = [
    fc.tuple(fc.array(byte, { maxLength: most + 1 }), fc.integer({ min: 0, max: 9 })).map(([payload, type]) =>
      command(
        `offer [${payload.join()}] of type ${type}`,
        (model, { producer }) => {
          const expected = model.claim(payload.length);
          expect(producer.offer(Uint8Array.from(payload), type)).toBe(expected);
          if (expected === OK) model.commit(payload.length, payload, type, publishEvery);
        },
        isOpen,
      ),
    ),
    fc
      .tuple(fc.integer({ min: -1, max: most + 1 }), fc.integer({ min: -1, max: most }), byte)
      .map(([length, used, fill]) =>
        command(
          `claim ${length}, commit ${used}, of ${fill}`,
          (model, { producer }) => {
            const expected = model.claim(length);
            const offset = producer.tryClaim(length, fill);
            if (expected !== OK) return expect(offset).toBe(expected);
            expect(offset % 8).toBe(0);
            producer.bytes.fill(fill, offset, offset + length);
            if (used < 0 || used > length) return producer.abort();
            producer.commit(used);
            model.commit(
              length, Array.from({ length: used }, () => fill), fill, publishEvery,
            );
          },
          isOpen,
        ),
      ),
  ];
  const receives: fc.Arbitrary<Command>[] = [
    fc.constant(
      command('poll', (model, { consumer }) => {
        const code = model.look();
        const payload = consumer.poll();
        if (code < 0) return expect(payload).toBe(code);
        receive(model, payload as Uint8Array, consumer.type);
        model.release();
      }),
    ),
    fc.integer({ min: 0, max: 6 }).map((limit) =>
      command(`drain ${limit}`, (model, { consumer }) => {
        const code = limit === 0 ? 0 : model.look();
        const expected = code === OK ? Math.min(limit, model.published.length) : code === CLOSED ? CLOSED : 0;
        const count = consumer.drain((view, offset, length, type) => {
          model.look();
          receive(model, new Uint8Array(view.buffer, view.byteOffset + offset, length), type);
        }, limit);
        expect(count).toBe(expected);
        if (count === CLOSED) return model.release();
        if (count < limit) model.look();
        model.release();
      }),
    ),
    fc.integer({ min: 1, max: 4 }).map((bad) =>
      command(`drain, throw at ${bad}`, (model, { consumer }) => {
        let at = 0;
        const code = model.look();
        const drain = (): number =>
          consumer.drain((view, offset, length, type) => {
            // Chunks that were read to their end are released before the record in the next chunk is handed out.
            if (
              model.look() === OK
              && model.published[0].begin % chunkBytes === (chunkBytes - (model.start & (chunkBytes - 1))) % chunkBytes
            )
              model.released = model.read;
            receive(model, new Uint8Array(view.buffer, view.byteOffset + offset, length), type);
            if (++at === bad) throw new Error('thrown');
          });
        if (code === OK && model.published.length >= bad) {
          expect(drain).toThrow('thrown');
          model.meet('thrown');
          return;
        }
        expect(drain()).toBe(code === CLOSED ? CLOSED : at);
        if (code === CLOSED) return model.release();
        model.look();
        model.release();
      }),
    ),
    fc.boolean().map((releases) =>
      command(`peek, advance${releases ? ', publishRelease' : ''}`, (model, { consumer }) => {
        const code = model.look();
        const offset = consumer.peek();
        if (code < 0) return expect(offset).toBe(code);
        expect(consumer.peek(), 'peeked again').toBe(offset);
        receive(model, consumer.bytes.slice(offset, offset + consumer.length), consumer.type);
        consumer.advance();
        if (!releases) return model.meet('held');
        consumer.publishRelease();
        model.release();
      }),
    ),
  ];
  const others: fc.Arbitrary<Command>[] = [
    fc.constant(
      command(
        'flush',
        (model, { producer }) => {
          expect(producer.flush()).toBe(OK);
          model.flush();
        },
        isOpen,
      ),
    ),
    fc.constant(
      command('publishRelease', (model, { consumer }) => {
        consumer.publishRelease();
        model.release();
      }),
    ),
    fc.constant(
      command(
        'another producer',
        (model, real) => {
          real.producer.leave();
          real.producer = pub(real.queue, { publishEvery: { records: publishEvery } });
          model.flush();
          // What was promised to the first producer is free again.
          model.isPromised = false;
        },
        isOpen,
      ),
    ),
    fc.constant(
      command('another consumer', (model, real) => {
        real.consumer.leave();
        real.consumer = sub(real.queue);
        model.release();
        model.seen = 0;
      }),
    ),
    fc.constant(
      command(
        'close',
        (model, { producer }) => {
          producer.close();
          model.flush();
          model.isClosed = true;
        },
        isOld,
      ),
    ),
  ];
  // There are more kinds of commands that receive than that send. Without the repetition, the queue would be empty most
  // of the time.
  return [...sends, ...sends, ...sends, ...sends, ...receives, ...others];
}

describe('a linked queue does what an array does', () => {
  const cases = [
    { chunkBytes: 32, chunks: 2 }, { chunkBytes: 32, chunks: 4 }, { chunkBytes: 64, chunks: 2 },
    { chunkBytes: 64, chunks: 3 },
  ].flatMap((shape) => [0, 2 ** 31 - 88, 2 ** 32 - 88].map((start) => ({ ...shape, start })));

  it.each(cases)('$chunks chunks of $chunkBytes bytes, from sequence $start', ({ chunkBytes, chunks, start }) => {
    const met = new Map<string, number>();
    for (const publishEvery of [1, 3]) {
      fc.assert(
        fc.property(fc.commands(commandsFor(publishEvery, chunkBytes), { maxCommands: 100, size: 'max' }), (script) => {
          fc.modelRun(() => {
            const queue = create({
              kind: 'spsc', backend: 'linked', chunkBytes, capacityBytes: FRONT_BYTES + chunks * chunkBytes,
              startSequence: start,
            });
            const real: Real = {
              queue, words: new Int32Array(queue.buffer, 0, FRONT_BYTES >> 2),
              producer: pub(queue, { publishEvery: { records: publishEvery } }), consumer: sub(queue),
            };
            return { model: new Model(start | 0, chunkBytes, chunks, met), real };
          }, script);
        }),
        { numRuns: RUNS },
      );
    }
    const wrap = start === 0 ? [] : [start < 2 ** 31 ? 'wrapped past 2^31' : 'wrapped past 2^32'];
    expect([...met.keys()]).toEqual(
      expect.arrayContaining([
        'full', 'empty', 'held', 'used again', 'thrown', 'closed', ...(chunks > 2 ? ['grown'] : []), ...wrap,
      ]),
    );
  });
});
