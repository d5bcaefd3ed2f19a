/**
 * Records of any kind, cut into any pieces, come out whole, in order and once. Records that are too large are skipped
 * and counted, and a record that the end cuts off is counted. The model is the list of records. A failure prints its
 * seed and the shortest case.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, READ_BYTES, frame, measure, overheadOf, type Framing } from './pipe-frames.js';

const MAX_RECORD_BYTES = 12;

function framed(record: Uint8Array, framing: Framing): Buffer {
  const out = Buffer.alloc(record.length + overheadOf(framing));
  frame(record, record.length, framing, out, 0);
  return out;
}

/** Puts `bytes` into `reader`, at most as much as it has room for, in pieces of the given lengths, over and over. */
function feed(
  reader: FrameReader, bytes: Uint8Array, pieces: readonly number[], onRecord: (record: Uint8Array) => void,
): void {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const room = reader.room();
    expect(room).toBeGreaterThan(0);
    const piece = bytes.subarray(at, at + Math.min(room, pieces[i % pieces.length]!));
    reader.bytes.set(piece, reader.end);
    reader.filled(piece.length);
    at += piece.length;
    while (reader.find()) {
      expect(reader.find(), 'finding twice is finding once').toBe(true);
      reader.take();
      onRecord(reader.read('bytes') as Uint8Array);
    }
  }
}

const recordOf = (framing: Framing, maxLength: number) =>
  fc
    .uint8Array({ maxLength, size: 'max' })
    .map((bytes) => (framing === 'line' ? bytes.map((byte) => (byte === 10 ? 11 : byte)) : bytes));

for (const framing of ['line', 'length'] as const) {
  describe(`frames by ${framing}`, () => {
    it('come out whole, in order and once, whatever the pieces; too large ones are counted, the last is cut', () => {
      const met = { tooLarge: 0, cut: 0, whole: 0 };
      fc.assert(
        fc.property(
          fc.array(recordOf(framing, 2 * MAX_RECORD_BYTES), { minLength: 1, maxLength: 30, size: 'max' }),
          fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
          fc.nat({ max: 3 * MAX_RECORD_BYTES }),
          (records, pieces, cutBytes) => {
            const stream = Buffer.concat(records.map((record) => framed(record, framing)));
            const cut = stream.subarray(0, Math.max(stream.length - cutBytes, 0));
            // What is whole, and what is left of the record behind it.
            let [whole, begin] = [0, 0];
            while (whole < records.length && begin + records[whole]!.length + overheadOf(framing) <= cut.length)
              begin += records[whole++]!.length + overheadOf(framing);
            const rest = cut.length - begin;
            const lastIsTooLarge =
              framing === 'line' ? rest > MAX_RECORD_BYTES : rest >= 4 && records[whole]!.length > MAX_RECORD_BYTES;
            const expected = records.slice(0, whole).filter(({ length }) => length <= MAX_RECORD_BYTES);

          // A buffer of only a few bytes, so that records are moved to its front and it grows all the time.
          const reader = new FrameReader(framing, MAX_RECORD_BYTES, 8);
          const seen: number[][] = [];
          feed(reader, cut, pieces, (record) => void seen.push([...record]));
          expect(seen).toEqual(expected.map((record) => [...record]));
          expect(reader.tooLarge).toBe(whole - expected.length + (lastIsTooLarge ? 1 : 0));
          expect(reader.cut()).toBe(rest > 0 && !lastIsTooLarge ? 1 : 0);
          expect(reader.cut(), 'and then nothing is there').toBe(0);
          met.whole += expected.length;
          met.tooLarge += reader.tooLarge;
          if (rest > 0 && !lastIsTooLarge) met.cut++;
          // Nothing of the old stream is left in the new one.
          const again: number[][] = [];
          feed(reader, framed(Uint8Array.of(1, 2), framing), [1], (record) => void again.push([...record]));
          expect(again).toEqual([[1, 2]]);
        },
      ), { numRuns: 500 });
      for (const [event, times] of Object.entries(met)) expect(times, event).toBeGreaterThan(50);
    });

    it('may be longer than the buffer, which grows to hold one and no further', () => {
      const most = 3 * READ_BYTES;
      const reader = new FrameReader(framing, most);
      const records = [most, 1, most - 1, READ_BYTES, 0, most + 1, 5, 4 * most, 7].map((length, i) =>
        new Uint8Array(length).fill(32 + i),
      );
      const seen: number[] = [];
      feed(reader, Buffer.concat(records.map((record) => framed(record, framing))), [50_000], (record) => {
        expect(record.every((byte) => byte === record[0])).toBe(true);
        seen.push(record.length);
      });
      expect(seen).toEqual([most, 1, most - 1, READ_BYTES, 0, 5, 7]);
      expect(reader.tooLarge).toBe(2);
      expect(reader.bytes.length).toBeLessThanOrEqual(2 * most + 2);
    });
  });
}

describe('measuring', () => {
  it('is exact for text', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
      expect(measure(text, 'text', 'length')).toBe(Buffer.from(text).length);
    }));
  });
});

it.each(['line', 'length'] as const)(
  'a view that grows after it was measured is framed with its first length: %s',
  (framing) => {
    const Growable = SharedArrayBuffer as unknown as new (
      bytes: number, options: object,
    ) => SharedArrayBuffer & { grow(bytes: number): void };
    const shared = new Growable(100, { maxByteLength: 4096 });
    const value = new Uint8Array(shared).fill(7);
    const length = measure(value, 'bytes', framing);
    shared.grow(4096);
    value.fill(7);
    const out = Buffer.alloc(length + overheadOf(framing) + 10, 1);
    frame(value, length, framing, out, 0);
    expect([length, out.subarray(-10).equals(Buffer.alloc(10, 1))]).toEqual([100, true]);
  },
);
