/**
 * MPSC in random scripts: up to three producers that join, leave and die, two consumers that join, leave, die and hand
 * lanes to each other, and a queue that may be closed at any point. Each lane is a ring-model.ts. Who owns a lane, and
 * whose turn it is, is modelled here. Every step checks the order within each lane, that nothing is lost or repeated,
 * the counters, and that no lane with records waits longer than its turn.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupLayout } from '../layout.js';
import { GHOST, errorOf, field, haunt, placeField, same } from './fixtures/helpers.js';
import { RingModel } from './fixtures/ring-model.js';
import { CLOSED, EMPTY, OK, close, create, inspect, pub, recover, sub } from './index.js';
import type {
  FixedConsumer, FixedProducer, FixedQueue, MpscConsumer, VariableConsumer, VariableProducer, VariableQueue,
} from './index.js';
import { openGroup, ringOf, type GroupHandle } from './group.js';
import { openRing } from './memory.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 3000 : 60;
const PRODUCERS = 3;
const CONSUMERS = 2;
type Met = Map<string, number>;
type Consumer = MpscConsumer<FixedConsumer | VariableConsumer>;

/** A consumer in the model: its lanes in the order in which it took them, and which lane is next. */
interface Reader { readonly real: Consumer; readonly lanes: number[]; turn: number; seenVersion: number }

class Twin {
  readonly queue: FixedQueue<'mpsc'> | VariableQueue<'mpsc'>;
  readonly lanes: RingModel[];
  readonly producers: (FixedProducer | VariableProducer | undefined)[] = [];
  readonly readers: (Reader | undefined)[] = [];
  /** For each lane, the place of its owner, or -1. */
  private readonly owners = Array.from({ length: PRODUCERS }, () => -1);
  /** For each lane, how many drains of its owner found records elsewhere while this lane had some too. */
  private readonly passedOver = Array.from({ length: PRODUCERS }, () => 0);
  private used = 0;
  private version = 0;
  private value = 0;
  isClosing = false;

  constructor(
    private readonly isFixed: boolean, capacity: number, start: number, private readonly publishEvery: number,
    private readonly met: Met,
  ) {
    const shape = { kind: 'mpsc', maxProducers: PRODUCERS, maxConsumers: CONSUMERS, startSequence: start } as const;
    this.queue = isFixed
      ? create({ ...shape, capacity, recordBytes: 4 })
      : create({ ...shape, capacityBytes: capacity });
    this.lanes = Array.from({ length: PRODUCERS }, () => new RingModel(capacity, 1, publishEvery, isFixed));
  }

  private meet(event: string): void {
    this.met.set(event, (this.met.get(event) ?? 0) + 1);
  }

  joinProducer(): void {
    const lane = Array.from({ length: PRODUCERS }, (_, i) => i).find((i) => this.producers[i] === undefined) ?? -1;
    const joining = (): FixedProducer =>
      pub(this.queue as FixedQueue<'mpsc'>, { publishEvery: { records: this.publishEvery } });
    if (this.isClosing || lane < 0)
      return same(
        errorOf(joining).code, this.isClosing ? 'ERR_PERCORE_CLOSED' : 'ERR_PERCORE_NO_PLACE', 'one too many',
      );
    this.producers[lane] = joining();
    this.used = Math.max(this.used, lane + 1);
    this.version++;
  }

  offer(lane: number): void {
    const model = this.lanes[lane]!;
    // Eight bytes and their header are always a whole part of the ring, so there is no padding.
    const units = this.isFixed ? 1 : 16;
    this.value++;
    const room = model.room(units);
    const code = room === OK ? model.commit({ value: this.value, units }) : room;
    const record = new Uint8Array(Int32Array.of(this.value, ~this.value).buffer, 0, this.isFixed ? 4 : 8);
    same((this.producers[lane] as VariableProducer).offer(record, this.value), code, `offer to lane ${lane}`);
    this.meet(`offer ${code}`);
  }

  flush(lane: number): void {
    same(this.producers[lane]!.flush(), this.lanes[lane]!.flush(), 'flush');
  }

  producerGoes(lane: number, how: 'leaves' | 'dies'): void {
    if (how === 'leaves') {
      this.producers[lane]!.leave();
      this.lanes[lane]!.producerLeaves();
    } else {
      haunt(this.wordsOf(lane), field('producerThread'));
      same(recover(this.queue, GHOST), { producers: 1, consumers: 0, taken: 0 }, 'recovered');
      this.lanes[lane]!.producerDies();
      this.version++;
    }
    this.producers[lane] = undefined;
    this.meet(`producer ${how}`);
  }

  joinConsumer(): void {
    const place = this.readers[0] === undefined ? 0 : this.readers[1] === undefined ? 1 : -1;
    if (place < 0)
      return same(errorOf(() => sub(this.queue as FixedQueue<'mpsc'>)).code, 'ERR_PERCORE_NO_PLACE', 'one too many');
    this.readers[place] = {
      real: sub(this.queue as FixedQueue<'mpsc'>) as Consumer, lanes: [], turn: 0, seenVersion: -1,
    };
    same(this.readers[place].real.place, place, 'the place');
    this.refresh(place);
  }

  /**
   * A consumer takes what was handed to it. The one with the lowest place also takes what nobody owns, or somebody who
   * is not there.
   */
  private refresh(place: number): Reader {
    const reader = this.readers[place]!;
    if (reader.seenVersion === this.version) return reader;
    reader.seenVersion = this.version;
    for (let lane = 0; lane < this.used; lane++) {
      const owner = this.owners[lane]!;
      const isFree = owner < 0 || this.readers[owner] === undefined;
      const isFirst = this.readers.slice(0, place).every((other) => other === undefined);
      if ((owner !== place && !(isFree && isFirst)) || reader.lanes.includes(lane)) continue;
      this.owners[lane] = place;
      same(this.lanes[lane]!.join(), 0, 'the place in the lane');
      reader.lanes.push(lane);
    }
    return reader;
  }

  private nextLane(reader: Reader): number {
    if (reader.turn >= reader.lanes.length) reader.turn = 0;
    return reader.lanes[reader.turn++]!;
  }

  drain(place: number, limit: number): void {
    const reader = this.refresh(place);
    const expected: number[] = [];
    const before = this.lanes.map((lane) => lane.published > lane.places[0]!.cursor);
    const served: number[] = [];
    for (let visited = reader.lanes.length; visited > 0 && expected.length < limit; visited--) {
      const lane = this.nextLane(reader);
      const records = this.lanes[lane]!.drain(0, limit - expected.length);
      if (typeof records === 'number' || records.length === 0) continue;
      expected.push(...records.map(({ value }) => value));
      served.push(lane);
    }
    const values: number[] = [];
    const answer = reader.real.drain(
      (view, offset, length, type) => void values.push(this.valueOf(view, offset, length, type)), limit,
    );
    this.compare(place, values, expected, answer, expected.length > 0 ? expected.length : this.atEmpty(reader));
    this.checkTurns(reader, before, served);
  }

  poll(place: number): void {
    const reader = this.refresh(place);
    let expected: number[] = [];
    const before = this.lanes.map((lane) => lane.published > lane.places[0]!.cursor);
    const served: number[] = [];
    for (let visited = reader.lanes.length; visited > 0 && expected.length === 0; visited--) {
      const lane = this.nextLane(reader);
      if (this.lanes[lane]!.look(0) !== OK) continue;
      expected = (this.lanes[lane]!.drain(0, 1) as { value: number }[]).map(({ value }) => value);
      served.push(lane);
    }
    const code = expected.length > 0 ? 1 : this.atEmpty(reader) || EMPTY;
    const record = reader.real.poll();
    const values = typeof record === 'number' ? [] : [new Int32Array(record.buffer)[0]!];
    this.compare(place, values, expected, typeof record === 'number' ? record : 1, code);
    this.checkTurns(reader, before, served);
  }

  private atEmpty(reader: Reader): number {
    const codes = reader.lanes.map((lane) => this.lanes[lane]!.look(0));
    return this.isClosing
      && codes.every((code) => code === CLOSED)
      && this.lanes.every((_, lane) => lane >= this.used || reader.lanes.includes(lane) || this.isAtEnd(lane))
      ? CLOSED
      : 0;
  }

  /**
   * True if nothing in the lane is left to be read and nothing will come. Until then the lane may still be handed to
   * anybody.
   */
  private isAtEnd(lane: number): boolean {
    const { end, published, places } = this.lanes[lane]!;
    return (end !== undefined || this.producers[lane] === undefined) && (end ?? published) <= places[0]!.cursor;
  }

  private compare(place: number, values: number[], expected: number[], answer: number, code: number): void {
    same(values, expected, `records of consumer ${place}`);
    same(answer, code, `what consumer ${place} was answered`);
    this.meet(answer > 0 ? 'received' : `answer ${answer}`);
  }

  /**
   * No lane starves: a lane with records is served once each other lane was served once; or twice, since lanes that
   * come and go move the turn.
   */
  private checkTurns(reader: Reader, had: boolean[], served: number[]): void {
    if (served.length === 0) return;
    for (const lane of reader.lanes) {
      this.passedOver[lane] = had[lane] && !served.includes(lane) ? this.passedOver[lane]! + 1 : 0;
      if (this.passedOver[lane]! > 2 * PRODUCERS) throw new Error(`lane ${lane} starves`);
    }
    if (served.length > 1) this.meet('several lanes in one drain');
  }

  leave(place: number): void {
    this.readers[place]!.real.leave();
    for (const lane of this.readers[place]!.lanes) {
      this.lanes[lane]!.leave(0);
      this.owners[lane] = -1;
    }
    this.readers[place] = undefined;
    this.version++;
  }

  handOver(place: number, nth: number, to: number): void {
    const reader = this.readers[place]!;
    const lane = reader.lanes[nth];
    if (lane === undefined)
      return same(
        errorOf(() => reader.real.handOver(nth + PRODUCERS, to)).code, 'ERR_PERCORE_INVALID_ARGUMENT',
        'a lane it has not',
      );
    if (this.readers[to] === undefined)
      return same(errorOf(() => reader.real.handOver(lane, to)).code, 'ERR_PERCORE_INVALID_ARGUMENT', 'to nobody');
    reader.real.handOver(lane, to);
    reader.lanes.splice(nth, 1);
    this.lanes[lane]!.leave(0);
    this.owners[lane] = to;
    this.version++;
    this.meet(
      this.lanes[lane]!.published > this.lanes[lane]!.places[0]!.cursor ? 'handed over with records' : 'handed over',
    );
  }

  /** A consumer dies: in the first record of a drain of up to `limit`, if there is one, or between two calls. */
  die(place: number, limit: number): void {
    const reader = this.refresh(place);
    let taken = 0;
    for (let visited = reader.lanes.length; visited > 0 && taken === 0 && limit > 0; visited--) {
      const lane = this.lanes[this.nextLane(reader)]!;
      const before = lane.places[0]!.consumed;
      if (lane.dieDraining(0, 0, limit)) taken = lane.places[0]!.consumed - before;
    }
    const dies = (): number => reader.real.drain(() => {
      throw new Error('dies here');
    }, limit);
    if (taken > 0) expect(dies).toThrow('dies here');
    else same(dies(), this.atEmpty(reader), 'a drain of nothing');
    for (const lane of reader.lanes) {
      haunt(this.wordsOf(lane), placeField('thread'));
      this.lanes[lane]!.leave(0);
      this.owners[lane] = -1;
    }
    haunt(openGroup(this.group).words, (groupLayout.fields.placeThread.at >> 2) + place);
    same(recover(this.queue, GHOST), { producers: 0, consumers: 1, taken }, 'recovered');
    this.readers[place] = undefined;
    this.version++;
    this.meet(taken > 0 ? 'died in a drain' : 'died');
  }

  close(): void {
    close(this.queue);
    this.isClosing = true;
    for (const lane of this.lanes) lane.isClosing = true;
  }

  check(): void {
    const { published, consumed, refused, dropped, isClosed } = inspect(this.queue);
    const sum = (of: (lane: RingModel) => number): number => this.lanes.reduce((total, lane) => total + of(lane), 0);
    same(
      { published, consumed, refused, closed: dropped.closed, isClosed },
      {
        published: sum(({ total }) => total.published), consumed: sum(({ places }) => places[0]!.consumed),
        refused: sum(({ total }) => total.refused), closed: sum(({ total }) => total.closed), isClosed: this.isClosing,
      },
      'what inspect says',
    );
  }

  private get group(): GroupHandle {
    return { ...this.queue, rings: PRODUCERS, groupPlaces: CONSUMERS };
  }

  private wordsOf(lane: number): Int32Array {
    return openRing(ringOf(this.group, lane)).words;
  }

  private valueOf(view: DataView, offset: number, length: number, type: number): number {
    if (!this.isFixed) same([length, view.getInt32(offset + 4, true), type], [8, ~type, type], 'a whole record');
    return view.getInt32(offset, true);
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

const lane = fc.nat({ max: PRODUCERS - 1 });
const place = fc.nat({ max: CONSUMERS - 1 });
const limit = fc.nat({ max: 5 });
const offers = lane.map((i) =>
  step(
    `offer to ${i}`, (twin) => twin.offer(i), (twin) => twin.producers[i] !== undefined,
  ),
);
const drains = fc.tuple(place, limit).map(([i, most]) =>
  step(
    `drain ${most} at ${i}`, (twin) => twin.drain(i, most), (twin) => twin.readers[i] !== undefined,
  ),
);
const steps = [
  offers, offers, offers, offers, offers, drains, drains,
  place.map((i) => step(`poll at ${i}`, (twin) => twin.poll(i), (twin) => twin.readers[i] !== undefined)),
  lane.map((i) => step(`flush ${i}`, (twin) => twin.flush(i), (twin) => twin.producers[i] !== undefined)),
  fc.constant(step('a producer joins', (twin) => twin.joinProducer())),
  fc.constant(step('a consumer joins', (twin) => twin.joinConsumer())),
  fc.tuple(lane, fc.constantFrom('leaves' as const, 'dies' as const)).map(([i, how]) =>
    step(
      `producer ${i} ${how}`, (twin) => twin.producerGoes(i, how), (twin) => twin.producers[i] !== undefined,
    ),
  ),
  place.map((i) =>
    step(
      `consumer ${i} leaves`, (twin) => twin.leave(i), (twin) => twin.readers[i] !== undefined,
    ),
  ),
  fc.tuple(place, limit).map(([i, most]) =>
    step(
      `consumer ${i} dies in a drain of ${most}`, (twin) => twin.die(i, most), (twin) => twin.readers[i] !== undefined,
    ),
  ),
  fc.tuple(place, lane, place).map(([i, nth, to]) =>
    step(
      `consumer ${i} hands its lane ${nth} to ${to}`, (twin) => twin.handOver(i, nth, to),
      (twin) => twin.readers[i] !== undefined,
    ),
  ),
];
const closes = fc.constant(step('close the queue', (twin) => twin.close()));

describe('an MPSC queue does what an array for each producer does', () => {
  const cases = [true, false].flatMap((isFixed) =>
    (isFixed ? [2, 4] : [32, 64]).flatMap((capacity) =>
      (isFixed ? [0, 2 ** 31 - 3, 2 ** 32 - 3] : [0, 2 ** 31 - 32, 2 ** 32 - 32]).map((start) => ({
        isFixed, capacity, start,
      })),
    ),
  );

  it.each(cases)('fixed: $isFixed, lanes of $capacity, from sequence $start', ({ isFixed, capacity, start }) => {
    const met: Met = new Map();
    for (const publishEvery of [1, 3]) {
      for (const ends of [[], [closes]]) {
        fc.assert(fc.property(fc.commands([...steps, ...ends], { maxCommands: 80, size: 'max' }), (script) => {
          fc.modelRun(() => ({ model: met, real: new Twin(isFixed, capacity, start, publishEvery, met) }), script);
        }), { numRuns: RUNS });
      }
    }
    expect([...met.keys()]).toEqual(
      expect.arrayContaining([
        'offer 0', 'offer -1', 'offer -2', 'received', 'answer 0', 'answer -2', 'several lanes in one drain',
        'handed over with records', 'producer dies', 'died', 'died in a drain',
      ]),
    );
  });
});
