/**
 * A banded queue in random scripts: one producer and one consumer that come, go and die, all bands in use, and a queue
 * that may be closed at any point. Each band is a ring-model.ts. The order between bands is checked as a rule and not
 * computed: without a quantum the record is always of the highest band that has records. With a quantum of q, a lower
 * band that waits gets one of every q + 1 records, no more often, and several such bands take turns.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GHOST, errorOf, field, haunt, placeField, same } from './fixtures/helpers.js';
import { RingModel } from './fixtures/ring-model.js';
import { CLOSED, EMPTY, OK, close, create, inspect, pub, recover, sub } from './index.js';
import type {
  BandedConsumer, BandedProducer, FixedConsumer, FixedProducer, FixedQueue, VariableConsumer, VariableProducer,
  VariableQueue,
} from './index.js';
import { ringOf, type GroupHandle } from './group.js';
import { openRing } from './memory.js';
import { OPEN } from './ring.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 600 : 12;
const BANDS = 8;
type Met = Map<string, number>;

class Twin {
  readonly queue: FixedQueue<'banded'> | VariableQueue<'banded'>;
  readonly bands: RingModel[];
  private producer: BandedProducer<FixedProducer | VariableProducer>;
  private consumer: BandedConsumer<FixedConsumer | VariableConsumer>;
  private value = 0;
  private readonly words: Int32Array[] = [];
  /** How many records were taken since a lower band had its turn, and how many of those while a lower band waited. */
  private sinceLow = 0;
  private sinceWaiting = 0;
  /** How many turns of other low bands a waiting band has seen. */
  private readonly turnsMissed = Array.from({ length: BANDS }, () => 0);
  isClosing = false;

  constructor(
    private readonly isFixed: boolean, capacity: number, start: number, private readonly publishEvery: number,
    private readonly quantum: number, private readonly met: Met,
  ) {
    const shape = { kind: 'banded', startSequence: start } as const;
    this.queue = isFixed
      ? create({ ...shape, capacity, recordBytes: 4 })
      : create({ ...shape, capacityBytes: capacity });
    this.bands = Array.from({ length: BANDS }, () => new RingModel(capacity, 1, publishEvery, isFixed));
    this.producer = this.pub();
    this.consumer = this.sub();
  }

  private pub(): BandedProducer<FixedProducer | VariableProducer> {
    return pub(this.queue as FixedQueue<'banded'>, { publishEvery: { records: this.publishEvery } }) as BandedProducer<
      FixedProducer | VariableProducer
    >;
  }

  private sub(): BandedConsumer<FixedConsumer | VariableConsumer> {
    for (const band of this.bands) band.join();
    this.sinceLow = this.sinceWaiting = 0;
    this.turnsMissed.fill(0);
    return sub(this.queue as FixedQueue<'banded'>, { quantum: this.quantum }) as BandedConsumer<
      FixedConsumer | VariableConsumer
    >;
  }

  private meet(event: string): void {
    this.met.set(event, (this.met.get(event) ?? 0) + 1);
  }

  offer(band: number): void {
    const model = this.bands[band]!;
    const units = this.isFixed ? 1 : 16;
    this.value++;
    const room = model.room(units);
    const code = room === OK ? model.commit({ value: this.value, units }) : room;
    same(
      this.producer.offer(new Uint8Array(Int32Array.of(this.value, ~this.value).buffer, 0, this.isFixed ? 4 : 8), band),
      code, `offer to band ${band}`,
    );
    this.meet(`offer ${code}`);
  }

  flush(): void {
    // The highest band first; CLOSED if any band is.
    const codes = this.bands.toReversed().map((band) => band.flush());
    same(this.producer.flush(), codes.includes(CLOSED) ? CLOSED : OK, 'flush');
  }

  private waiting(): number[] {
    return this.bands.flatMap(({ published, end, places }, band) =>
      Math.min(published, end ?? published) > places[0]!.cursor ? [band] : [],
    );
  }

  /** A record was taken from `band`: was it the turn of that band, and is it the band's next record? */
  private took(band: number, value: number): void {
    const waiting = this.waiting();
    const highest = waiting.at(-1)!;
    const lower = waiting.filter((each) => each < highest);
    same(this.bands[band]!.drain(0, 1), [{ value, units: this.isFixed ? 1 : 16 }], `the next record of band ${band}`);
    if (band === highest) {
      this.sinceLow++;
      this.sinceWaiting = lower.length > 0 ? this.sinceWaiting + 1 : 0;
      if (this.quantum > 0 && this.sinceWaiting > this.quantum)
        throw new Error(`${this.sinceWaiting} records of band ${band} while ${lower.join()} waited`);
      return;
    }
    if (this.quantum === 0) throw new Error(`a record of band ${band} while band ${highest} had some`);
    if (this.sinceLow < this.quantum)
      throw new Error(`a record of band ${band} after only ${this.sinceLow} of higher ones`);
    for (const each of lower) {
      this.turnsMissed[each] = each === band ? 0 : this.turnsMissed[each]! + 1;
      if (this.turnsMissed[each]! >= 2 * BANDS) throw new Error(`band ${each} starves`);
    }
    this.sinceLow = this.sinceWaiting = 0;
    this.meet('turn of a low band');
  }

  private atEmpty(): number {
    const codes = this.bands.map((band) => band.look(0));
    return this.isClosing && codes.every((code) => code === CLOSED) ? CLOSED : 0;
  }

  drain(limit: number): void {
    const left = this.bands.reduce(
      (sum, band) => sum + band.count(band.places[0]!.cursor, Math.min(band.published, band.end ?? Infinity)), 0,
    );
    const expected = Math.min(limit, left);
    const taken: [band: number, value: number][] = [];
    const answer = this.consumer.drain(
      (view, offset, _length, _type, band) => void taken.push([band, view.getInt32(offset, true)]), limit,
    );
    for (const [band, value] of taken) this.took(band, value);
    same(answer, expected > 0 ? expected : this.atEmpty(), `drain ${limit}`);
    this.meet(answer > 0 ? 'received' : `answer ${answer}`);
  }

  poll(): void {
    const isAny = this.waiting().length > 0;
    const record = this.consumer.poll();
    if (typeof record === 'number') same([isAny, record], [false, this.atEmpty() || EMPTY], 'poll');
    else this.took(this.consumer.band, new Int32Array(record.buffer)[0]!);
  }

  producerGoes(how: 'leaves' | 'dies'): void {
    if (how === 'leaves') {
      this.producer.leave();
      for (const band of this.bands) band.producerLeaves();
    } else {
      this.haunt(field('producerThread'));
      same(recover(this.queue, GHOST), { producers: 1, consumers: 0, taken: 0 }, 'recovered');
      for (const band of this.bands) band.producerDies();
    }
    this.meet(`producer ${how}`);
    if (!this.isClosing) this.producer = this.pub();
    else same(errorOf(() => this.pub()).code, 'ERR_PERCORE_CLOSED', 'pub');
  }

  consumerGoes(how: 'leaves' | 'dies'): void {
    if (how === 'leaves') this.consumer.leave();
    else {
      this.haunt(placeField('thread'));
      same(recover(this.queue, GHOST), { producers: 0, consumers: 1, taken: 0 }, 'recovered');
    }
    for (const band of this.bands) band.leave(0);
    this.consumer = this.sub();
    this.meet(`consumer ${how}`);
  }

  /** The consumer dies in the first record that a drain hands out. */
  dieDraining(limit: number): void {
    if (this.waiting().length === 0) return;
    let band = -1;
    expect(() => this.consumer.drain((_view, _offset, _length, _type, of) => {
      band = of;
      throw new Error('dies here');
    }, limit)).toThrow('dies here');
    this.haunt(placeField('thread'));
    const { consumers, taken } = recover(this.queue, GHOST);
    const { places: [place] } = this.bands[band]!;
    const before = place!.consumed;
    // How many records a drain of that band had begun is for the queue to decide, up to the limit: it looks for higher
    // bands in between.
    for (let left = taken; left > 0;) left -= (this.bands[band]!.drain(0, left) as unknown[]).length;
    for (const each of this.bands) each.leave(0);
    same([consumers, place!.consumed - before], [1, taken], 'recovered');
    if (taken < 1 || taken > limit) throw new Error(`${taken} records lost by a drain of ${limit}`);
    this.consumer = this.sub();
    this.meet('died in a drain');
  }

  close(by: 'anybody' | 'producer'): void {
    if (by === 'anybody') close(this.queue);
    else this.producer.close();
    for (const band of this.bands) {
      if (by === 'anybody') band.isClosing = true;
      else {
        band.flush();
        if (!band.isEnded) band.learnEnd(0);
      }
    }
    this.isClosing = true;
  }

  /**
   * A closing band ends where the consumer first looks at it beyond what it has seen. At which bands the consumer looks
   * on its way to one is for the queue to decide.
   */
  private learnEnds(): void {
    this.bands.forEach((band, i) => {
      band.end = this.wordsOf(i)[field('phase')] === OPEN ? undefined : (band.end ?? band.published);
    });
  }

  check(): void {
    if (this.isClosing) this.learnEnds();
    const { published, consumed, refused, dropped, isClosed } = inspect(this.queue);
    const sum = (of: (band: RingModel) => number): number => this.bands.reduce((total, band) => total + of(band), 0);
    same(
      { published, consumed, refused, closed: dropped.closed, isClosed },
      {
        published: sum(({ total }) => total.published), consumed: sum(({ places }) => places[0]!.consumed),
        refused: sum(({ total }) => total.refused), closed: sum(({ total }) => total.closed), isClosed: this.isClosing,
      },
      'what inspect says',
    );
  }

  private haunt(word: number): void {
    for (let band = 0; band < BANDS; band++) haunt(this.wordsOf(band), word);
  }

  private wordsOf(band: number): Int32Array {
    const group: GroupHandle = { ...this.queue, rings: BANDS, groupPlaces: 1 };
    return (this.words[band] ??= openRing(ringOf(group, band)).words);
  }
}

const step = (
  name: string, run: (twin: Twin) => void, when: (twin: Twin) => boolean = () => true,
): fc.Command<Met, Twin> => ({
  check: () => true,
  run(_met, twin) {
    if (!when(twin)) return;
    run(twin);
    twin.check();
  },
  toString: () => name,
});

const offers = fc.constantFrom(0, 1, 3, 6, 7, 7).map((band) => step(`offer to ${band}`, (twin) => twin.offer(band)));
const steps = [
  offers, offers, offers, offers, offers, offers, offers,
  fc.nat({ max: 6 }).map((limit) => step(`drain ${limit}`, (twin) => twin.drain(limit))),
  fc.constant(step('poll', (twin) => twin.poll())),
  fc.constant(step('poll', (twin) => twin.poll())),
  fc.constant(step('flush', (twin) => twin.flush())),
  fc.constantFrom('leaves' as const, 'dies' as const).map((how) =>
    step(
      `producer ${how}`, (twin) => twin.producerGoes(how), (twin) => !twin.isClosing,
    ),
  ),
  fc
    .constantFrom('leaves' as const, 'dies' as const)
    .map((how) => step(`consumer ${how}`, (twin) => twin.consumerGoes(how))),
  fc
    .integer({ min: 1, max: 5 })
    .map((limit) => step(`consumer dies in a drain of ${limit}`, (twin) => twin.dieDraining(limit))),
];
const closes = fc.constantFrom('anybody' as const, 'producer' as const).map((by) =>
  step(
    `close by ${by}`, (twin) => twin.close(by), (twin) => !twin.isClosing,
  ),
);

describe.each([0, 1, 2, 5])('a banded queue with quantum %i does what an array for each band does', (quantum) => {
  const cases = [
    { isFixed: true, capacity: 2 }, { isFixed: true, capacity: 4 }, { isFixed: false, capacity: 64 },
  ].flatMap((shape) =>
    (shape.isFixed ? [0, 2 ** 31 - 3, 2 ** 32 - 3] : [0, 2 ** 31 - 32, 2 ** 32 - 32]).map((start) => ({
      ...shape, start,
    })),
  );

  it.each(cases)('fixed: $isFixed, bands of $capacity, from sequence $start', ({ isFixed, capacity, start }) => {
    const met: Met = new Map();
    for (const publishEvery of [1, 3]) {
      for (const ends of [[], [closes]]) {
        fc.assert(
          fc.property(fc.commands([...steps, ...ends], { maxCommands: 80, size: 'max' }), (script) => {
            fc.modelRun(
              () => ({ model: met, real: new Twin(isFixed, capacity, start, publishEvery, quantum, met) }), script,
            );
          }),
          { numRuns: RUNS },
        );
      }
    }
    expect([...met.keys()]).toEqual(
      expect.arrayContaining([
        'offer 0', 'offer -1', 'offer -2', 'received', 'answer 0', 'answer -2', 'producer dies', 'consumer dies',
        'died in a drain', ...(quantum > 0 ? ['turn of a low band'] : []),
      ]),
    );
  });
});
