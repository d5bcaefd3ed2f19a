/**
 * What the rows about codecs compare: an order with six fields, or 64 bytes, to memory and back, `BATCH` at a time.
 * Each trip runs in a worker of its own, so that its code has not seen the objects of other trips.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  bytes, codecOf, msgpack, recordMemory, struct, structReader, structWriter, value, type Codec,
} from 'percore/queues';

export interface Trip {
  /** Takes `BATCH` values to memory and back. */
  run(): void;
  /** True if all values have come back equal. */
  isRight(): boolean;
}
export const BATCH = 1024;

const order = struct({ price: 'f64', timeNs: 'f64', size: 'u32', instrument: 'u32', delta: 'i32', side: 'u8' });
type Order = { price: number; timeNs: number; size: number; instrument: number; delta: number; side: number };
const orders: readonly Order[] = Array.from({ length: BATCH }, (_, i) => ({
  price: 100 + i / 8,
  timeNs: i * 1e6 + 0.5,
  size: (i * 7919 + 2 ** 31) >>> 0,
  instrument: i ^ 0x5555,
  delta: 500 - i,
  side: i & 1,
}));
/** More bytes than any order takes in any codec. */
const SLOT_BYTES = 256;
const memory = recordMemory(new SharedArrayBuffer(BATCH * SLOT_BYTES + 8));

/** The trips by the names of the contenders. */
export const trips = {
  'percore': () => objects(codecTrip(codecOf(order)), orders),
  'DataView': () => objects({ encode: encodeByHand, decode: decodeByHand }, orders),
  // Only the text, which is what JSON does best. Getting it into a ring would cost as much again.
  'JSON': () => objects(textTrip(), orders),
  'percore in place': () => fields(inPlace()),
  'DataView in place': () => fields(inPlaceByHand),
  'value': () => objects(codecTrip(codecOf<Order>(value)), orders),
  'msgpack': () => objects(codecTrip(codecOf<Order>(msgpack)), orders),
  'JSON in bytes': () => objects(textInBytes, orders),
  'bytes': () => objects(codecTrip(codecOf(bytes)), payloads),
  'set and slice': () => objects(copies, payloads),
} satisfies Record<string, () => Trip>;
export type TripName = keyof typeof trips;

interface Coder<T> {
  encode(value: T, at: number): number;
  decode(at: number, length: number): T;
}

function objects<T>(coder: Coder<T>, values: readonly T[]): Trip {
  const back = new Array<T>(BATCH);
  return {
    run() {
      for (let i = 0; i < BATCH; i++) {
        const length = coder.encode(values[i], i * SLOT_BYTES);
        back[i] = coder.decode(i * SLOT_BYTES, length);
      }
    },
    isRight: () => isDeepStrictEqual(back, values),
  };
}

function codecTrip<T>(codec: Codec<T>): Coder<T> {
  return {
    encode(value, at) {
      codec.measure(value);
      return codec.write(value, memory, at);
    },
    decode: (at, length) => codec.read(memory, at, length),
  };
}

function encodeByHand({ price, timeNs, size, instrument, delta, side }: Order, at: number): number {
  const { view } = memory;
  view.setFloat64(at, price, true);
  view.setFloat64(at + 8, timeNs, true);
  view.setUint32(at + 16, size, true);
  view.setUint32(at + 20, instrument, true);
  view.setInt32(at + 24, delta, true);
  view.setUint8(at + 28, side);
  return 32;
}

function decodeByHand(at: number): Order {
  const { view } = memory;
  return {
    price: view.getFloat64(at, true), timeNs: view.getFloat64(at + 8, true), size: view.getUint32(at + 16, true),
    instrument: view.getUint32(at + 20, true), delta: view.getInt32(at + 24, true), side: view.getUint8(at + 28),
  };
}

function textTrip(): Coder<Order> {
  let text = '';
  return {
    encode(value) {
      text = JSON.stringify(value);
      return text.length;
    },
    decode: () => JSON.parse(text) as Order,
  };
}

const textInBytes: Coder<Order> = {
  encode: (value, at) => memory.buffer.write(JSON.stringify(value), at, 'utf8'),
  decode: (at, length) => JSON.parse(memory.buffer.toString('utf8', at, at + length)) as Order,
};

const payloads: readonly Uint8Array[] = orders.map((_, i) => new Uint8Array(64).fill(i));
const copies: Coder<Uint8Array> = {
  encode(value, at) {
    memory.bytes.set(value, at);
    return value.length;
  },
  decode: (at, length) => memory.bytes.slice(at, at + length),
};

/** Writes every field, then reads and adds up every field, without making an object. */
interface InPlace {
  write(order: Order, at: number): void;
  sum(at: number): number;
}
const sumOf = ({ price, timeNs, size, instrument, delta, side }: Order): number =>
  price + timeNs + size + instrument + delta + side;

function fields(access: InPlace): Trip {
  const expected = orders.reduce((sum, one) => sum + sumOf(one), 0);
  let sum = 0;
  return {
    run() {
      let total = 0;
      for (let i = 0; i < BATCH; i++) {
        access.write(orders[i], i * SLOT_BYTES);
        total += access.sum(i * SLOT_BYTES);
      }
      sum = total;
    },
    isRight: () => sum === expected,
  };
}

function inPlace(): InPlace {
  const writer = structWriter(order, memory);
  const reader = structReader(order, memory);
  return {
    write({ price, timeNs, size, instrument, delta, side }, at) {
      const record = writer.at(at);
      record.price = price;
      record.timeNs = timeNs;
      record.size = size;
      record.instrument = instrument;
      record.delta = delta;
      record.side = side;
    },
    sum(at) {
      // sumOf() has seen orders, and would have to find out for each record which of the two it is.
      const { price, timeNs, size, instrument, delta, side } = reader.at(at);
      return price + timeNs + size + instrument + delta + side;
    },
  };
}

const inPlaceByHand: InPlace = {
  write: encodeByHand,
  sum(at) {
    const { view } = memory;
    return (
      view.getFloat64(at, true) +
      view.getFloat64(at + 8, true) +
      view.getUint32(at + 16, true) +
      view.getUint32(at + 20, true) +
      view.getInt32(at + 24, true) +
      view.getUint8(at + 28)
    );
  },
};
