/**
 * What a user's own code may do while a value is sent: a getter, a Proxy or a subclass runs in the middle of `offer`,
 * and may offer to the same queue, or answer differently the next time. What arrives is what each of them answered
 * once.
 */
import { describe, expect, it } from 'vitest';
import { errorOf } from './fixtures/helpers.js';
import { StructCodec } from './struct-codec.js';
import { bytes, CLOSED, create, msgpack, OK, pub, recordMemory, struct, sub, value } from './index.js';
import type { QueueConsumer, QueueProducer } from './index.js';

interface Numbered { id: number; part: number }
type Make = (codec: object) => unknown;
const kinds: Record<string, Make> = {
  'spsc': (codec) => create({ kind: 'spsc', ...sizeFor(codec), codec } as never),
  'mpsc': (codec) => create({ kind: 'mpsc', ...sizeFor(codec), codec } as never),
  'spmc': (codec) => create({ kind: 'spmc', ...sizeFor(codec), codec } as never),
  'banded': (codec) => create({ kind: 'banded', ...sizeFor(codec), codec } as never),
  'linked': (codec) =>
    create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 16, chunkBytes: 4096, codec } as never),
};
const numbered = struct({ id: 'u32', part: 'u32' });
const sizeFor = (codec: object): object => (codec === numbered ? { capacity: 16 } : { capacityBytes: 4096 });

function ends(kind: string, codec: object): [QueueProducer<Numbered>, QueueConsumer<Numbered>] {
  const queue = kinds[kind]!(codec) as never;
  const consumer = sub(queue) as unknown as QueueConsumer<Numbered>;
  const producer = pub(queue) as unknown as QueueProducer<Numbered> & { band?(band: number): QueueProducer<Numbered> };
  return [producer.band === undefined ? producer : producer.band(3), consumer];
}
function all(producer: QueueProducer<Numbered>, consumer: QueueConsumer<Numbered>): Numbered[] {
  producer.flush();
  const found: Numbered[] = [];
  for (let each = consumer.poll(); each !== undefined; each = consumer.poll()) found.push(each);
  return found;
}

describe('a getter that offers to the same queue', () => {
  for (const [name, codec] of [['struct', numbered], ['value', value()]] as const) {
    for (const kind of Object.keys(kinds)) {
      if (kind === 'linked' && name === 'struct') continue;
      it(`sends its own value before, and damages neither: ${name} in ${kind}`, () => {
        const [producer, consumer] = ends(kind, codec);
        let asked = 0;
        const outer = {
          id: 1,
          get part(): number {
            if (++asked === 1) expect(producer.offer({ id: 2, part: 20 })).toBe(OK);
            return 10;
          },
        };
        expect(producer.offer({ id: 0, part: 0 })).toBe(OK);
        expect(producer.offer(outer)).toBe(OK);
        expect(producer.offer({ id: 3, part: 30 })).toBe(OK);
        expect(all(producer, consumer)).toEqual([
          { id: 0, part: 0 }, { id: 2, part: 20 }, { id: 1, part: 10 }, { id: 3, part: 30 },
        ]);
        if (name === 'struct') expect(asked).toBe(1);
      });
    }
  }

  it('may close the queue: the outer value is refused, and no record is torn', () => {
    const [producer, consumer] = ends('spsc', numbered);
    const outer = {
      id: 1,
      get part(): number {
        producer.close();
        return 10;
      },
    };
    expect(producer.offer(outer)).toBe(CLOSED);
    expect(all(producer, consumer)).toEqual([]);
  });

  it('may send an error by the codec of values without changing what is measured around it', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 2 ** 16, codec: value<unknown>() });
    const [consumer, producer] = [sub(queue), pub(queue)];
    let asked = 0;
    // The third time is the search for what V8 would change, after the value was serialized.
    const outer = { get part() { return ++asked === 2 ? (producer.offer(new Error('inner')), 7) : 7; } };
    expect(producer.offer(outer)).toBe(OK);
    expect(consumer.poll()).toMatchObject({ message: 'inner' });
    expect(consumer.poll()).toEqual({ part: 7 });
  });

  it('is refused by the codec msgpack, which cannot pack two at a time; the outer value is right', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 4096, codec: msgpack<unknown>() });
    const [consumer, producer] = [sub(queue), pub(queue)];
    const codes: unknown[] = [];
    const outer = {
      id: 1,
      get part() {
        try {
          codes.push(producer.offer({ id: 2, part: 'inner' }));
        } catch (error) {
          codes.push((error as { code: string }).code);
        }
        return 10;
      },
      last: 'whole',
    };
    expect(producer.offer(outer)).toBe(OK);
    // Called once by the walk, which packs nothing, and once while the value is packed.
    expect(codes).toEqual([OK, 'ERR_PERCORE_CLAIM']);
    expect(consumer.poll()).toEqual({ id: 2, part: 'inner' });
    expect(consumer.poll()).toEqual({ id: 1, part: 10, last: 'whole' });
    expect(producer.offer({ id: 3 })).toBe(OK);
    expect(consumer.poll()).toEqual({ id: 3 });
  });
});

describe('a getter that answers differently each time', () => {
  it('is called once by a struct, and what was checked is what arrives', () => {
    const answers: unknown[] = [7, 300, 'text', undefined, {}];
    const codec = struct({ a: 'u8', b: 'u8[2]', name: 'utf8[4]' });
    const queue = create({ kind: 'spsc', capacity: 4, codec });
    const [consumer, producer] = [sub(queue), pub(queue)];
    let asked = 0;
    const changing = {
      get a(): number { return answers[asked++] as number; },
      get b(): Uint8Array { return asked > 1 ? new Uint8Array(900) : Uint8Array.of(1, 2); },
      get name(): string { return asked > 1 ? 'x'.repeat(900) : 'four'; },
    };
    expect(producer.offer(changing)).toBe(OK);
    expect(asked).toBe(1);
    expect(consumer.poll()).toEqual({ a: 7, b: Uint8Array.of(1, 2), name: 'four' });
    expect(errorOf(() => producer.offer({ ...changing, a: 300 })).code).toBe('ERR_PERCORE_UNSERIALIZABLE');
    expect(producer.offer({ a: 1, b: new Uint8Array(2), name: '' })).toBe(OK);
    expect(consumer.poll()).toEqual({ a: 1, b: new Uint8Array(2), name: '' });
  });

  it.each([false, true])('does not mix up two values that are written by hand (kept: %s)', (isKept) => {
    const codec = new StructCodec(numbered, undefined, isKept);
    const memory = recordMemory(new ArrayBuffer(64));
    const [one, two] = [{ id: 1, part: 10 }, { id: 2, part: 20 }];
    codec.measure(one);
    codec.write(two, memory, 0);
    codec.write(one, memory, 8);
    codec.measure(two);
    two.part = 21;
    codec.write(two, memory, 16);
    two.part = 22;
    codec.write(two, memory, 24);
    expect([0, 8, 16, 24].map((at) => codec.read(memory, at, 8).part)).toEqual(
      [20, 10, isKept ? 20 : 21, 22],
    );
  });
});

/** Says about itself whatever it likes. */
class Liar extends Uint8Array {
  static during: (() => void) | undefined;
  override get length(): number { return this.run(3); }
  override get byteLength(): number { return this.run(3); }
  override get buffer(): ArrayBuffer { this.run(0); return new ArrayBuffer(8); }
  override subarray(): Uint8Array<ArrayBuffer> { this.run(0); return new Uint8Array(500); }
  override slice(): Uint8Array<ArrayBuffer> { this.run(0); return new Uint8Array(500); }
  override includes(): boolean { return false; }
  private run(answer: number): number {
    const { during } = Liar;
    Liar.during = undefined;
    during?.();
    return answer;
  }
}
const lying = (length: number): Liar => {
  const liar = new Liar(length);
  for (let i = 0; i < length; i++) liar[i] = i + 1;
  return liar;
};
const counted = (length: number): number[] => Array.from({ length }, (_, i) => (i + 1) & 0xff);

describe('bytes that lie about themselves', () => {
  for (const length of [8, 200]) {
    it(`are sent as they are, ${length} of them: raw and by the codec of bytes`, () => {
      const variable = { capacityBytes: 4096 };
      const shapes = [variable, { capacity: 8, recordBytes: 256 }, { ...variable, codec: bytes }];
      for (const options of shapes) {
        const queue = create({ kind: 'spsc', ...options } as never) as never;
        const consumer = sub(queue) as unknown as { poll(): Uint8Array };
        const producer = pub(queue) as unknown as { offer(record: Uint8Array): number };
        expect(producer.offer(Uint8Array.of(9, 9))).toBe(OK);
        Liar.during = () => void producer.offer(Uint8Array.of(5));
        expect(producer.offer(lying(length))).toBe(OK);
        Liar.during = undefined;
        expect(producer.offer(Uint8Array.of(8, 8))).toBe(OK);
        expect([...consumer.poll().subarray(0, 2)]).toEqual([9, 9]);
        expect([...consumer.poll().subarray(0, length)]).toEqual(counted(length));
        expect([...consumer.poll().subarray(0, 2)]).toEqual([8, 8]);
      }
    });
  }

  it('are sent as they are through a pipe, and their line feeds are seen', async () => {
    const queue = create({ backend: 'pipe', values: 'bytes', framing: 'line' } as never) as never;
    const consumer = sub(queue) as unknown as { poll(): Uint8Array | undefined; close(): void };
    const producer = pub(queue) as unknown as { offer(record: Uint8Array): number; close(): void };
    const liar = lying(200);
    expect(errorOf(() => producer.offer(liar)).argument).toBe('value');
    liar[9] = 0;
    expect(producer.offer(liar)).toBe(OK);
    expect(producer.offer(Uint8Array.of(7))).toBe(OK);
    expect(consumer.poll()).toHaveLength(200);
    expect(consumer.poll()).toEqual(Uint8Array.of(7));
    producer.close();
    consumer.close();
  });

  it('are not a Uint8Array because another array says so', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256 });
    sub(queue);
    const producer = pub(queue);
    const floats = Object.defineProperty(Float64Array.of(1.5), Symbol.toStringTag, { value: 'Uint8Array' });
    expect(errorOf(() => producer.offer(floats as unknown as Uint8Array)).argument).toBe('record');
  });
});

describe('room() and ready() of an end that closes in the same turn', () => {
  it('answer CLOSED, each time, although there was room or a value when they were called', async () => {
    const makes: (() => unknown)[] = [
      () => create({ backend: 'window', capacity: 2 }), () => create({ backend: 'deque', capacity: 2 }),
      () => create({ kind: 'spsc', capacity: 4, codec: numbered }),
      () => create({ kind: 'mpsc', capacityBytes: 256, codec: value() }),
    ];
    for (const make of makes) {
      const answers = new Set<number>();
      // By the clock of the loop, every few of them waited for a pass, and the others did not.
      for (let i = 0; i < 60; i++) {
        const queue = make() as never;
        const consumer = sub(queue) as unknown as QueueConsumer<Numbered>;
        const producer = pub(queue) as unknown as QueueProducer<Numbered>;
        producer.offer({ id: 1, part: 1 });
        const [room, ready] = [producer.room(), consumer.ready()];
        producer.close();
        consumer.close();
        answers.add(await room).add(await ready);
      }
      expect([...answers]).toEqual([CLOSED]);
    }
  });

  it('answer OK if nobody closes', async () => {
    const queue = create({ backend: 'window', capacity: 1 });
    const [consumer, producer] = [sub(queue), pub(queue)];
    for (let i = 0; i < 60; i++) {
      producer.offer(i);
      expect([await producer.room(), await consumer.ready()]).toEqual([OK, OK]);
    }
  });
});
