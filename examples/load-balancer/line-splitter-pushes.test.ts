/** How bytes are pushed into a line splitter: cut anywhere, held back, and any of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_LINE_BYTES, REJECT_REASONS } from './line-rules.js';
import { LineSplitter } from './line-splitter.js';
import { RecordingSink, bytesOf, feed, manyLines, referenceOutcomes, taken } from './fixtures/recording-sink.js';

describe('backpressure', () => {
  /** A sink that refuses exactly its next `count` offers from now on. */
  function refusing(): { sink: RecordingSink; refuse: (count: number) => void } {
    let left = 0;
    return { sink: new RecordingSink(() => left > 0 && left-- > 0), refuse: (count) => { left = count; } };
  }

  test('stops at the start of the refused line, and offers it again with the same seq', () => {
    const { sink, refuse } = refusing();
    const splitter = new LineSplitter(sink);
    const input = Buffer.from('1 a x\n\n2 b y\n3 c z\n');
    refuse(1);
    expect(splitter.push(input, 0, input.length)).toBe(0);
    refuse(0);
    expect(splitter.push(input, 0, 7)).toBe(7);
    refuse(2);
    expect(splitter.push(input, 7, input.length)).toBe(7);
    expect(splitter.push(input, 7, input.length)).toBe(7);
    expect(splitter.linesIn).toBe(2);
    expect(splitter.isLineHeld).toBe(false);
    expect(splitter.push(input, 7, input.length)).toBe(input.length);
    expect(sink.refusedSeqs).toEqual([0, 2, 2]);
    expect(sink.outcomes).toEqual(referenceOutcomes(input));
  });

  test('stops in the fast path too', () => {
    let offers = 0;
    const sink = new RecordingSink(() => ++offers === 11);
    const splitter = new LineSplitter(sink);
    const input = Buffer.from(manyLines);
    const lineBytes = manyLines.indexOf('\n') + 1;
    expect(splitter.push(input, 0, input.length)).toBe(10 * lineBytes);
    expect(splitter.linesIn).toBe(10);
    expect(splitter.push(input, 10 * lineBytes, input.length)).toBe(input.length);
    expect(sink.outcomes).toEqual(referenceOutcomes(input));
  });

  test('takes the rest from another array, as after a copy', () => {
    const { sink, refuse } = refusing();
    const splitter = new LineSplitter(sink);
    const input = Buffer.from('1 a x\n2 b y\n');
    refuse(1);
    expect(splitter.push(input, 6, 12)).toBe(6);
    const copy = bytesOf('##', input.subarray(6));
    expect(splitter.push(copy, 2, 8)).toBe(8);
    expect(sink.outcomes).toEqual([taken(0, '2 b y', 2, 'b', 'y')]);
  });

  test('holds a refused line that began in an earlier push, and an empty push offers it again', () => {
    const { sink, refuse } = refusing();
    const splitter = new LineSplitter(sink);
    const input = Buffer.from('1 a x\n2 b y\n');
    splitter.push(input, 0, 3);
    refuse(3);
    expect(splitter.push(input, 3, 12)).toBe(6);
    expect(splitter.isLineHeld).toBe(true);
    expect(splitter.push(input, 6, 12)).toBe(6);
    expect(splitter.push(input, 6, 6)).toBe(6);
    expect(sink.refusedSeqs).toEqual([0, 0, 0]);
    input.fill(0, 0, 6);
    expect(splitter.push(new Uint8Array(0), 0, 0)).toBe(0);
    expect(splitter.isLineHeld).toBe(false);
    expect(splitter.carriedBytes).toBe(0);
    expect(sink.outcomes).toEqual([taken(0, '1 a x', 1, 'a', 'x')]);
    expect(splitter.push(input, 6, 12)).toBe(12);
    expect(sink.outcomes[1]).toEqual(taken(1, '2 b y', 2, 'b', 'y'));
  });

  test('lets the end wait for a held line', () => {
    const { sink, refuse } = refusing();
    const splitter = new LineSplitter(sink);
    splitter.push(Buffer.from('1 a'), 0, 3);
    refuse(2);
    expect(splitter.push(Buffer.from('\n'), 0, 1)).toBe(1);
    expect(splitter.end()).toBe(false);
    expect(splitter.end()).toBe(true);
    expect(sink.outcomes).toEqual([taken(0, '1 a', 1, 'a', '')]);
  });
});

describe('the pushed array', () => {
  test('is handed to the sink itself when the line lies inside one push', () => {
    const sink = new RecordingSink();
    const input = Buffer.from(manyLines);
    feed(new LineSplitter(sink), input);
    expect([...sink.arrays]).toEqual([input]);
    expect([...sink.arrays][0]).toBe(input);
  });

  test('is not read outside the range', () => {
    const sink = new RecordingSink();
    const splitter = new LineSplitter(sink);
    const input = bytesOf([0xff, 0], '\n1 a', [10, 0xff, 0, 10]);
    expect(splitter.push(input, 3, 6)).toBe(6);
    expect(sink.outcomes).toEqual([]);
    expect(splitter.push(input, 6, 7)).toBe(7);
    expect(sink.outcomes).toEqual([taken(0, '1 a', 1, 'a', '')]);
  });

  test('must contain the range', () => {
    const splitter = new LineSplitter(new RecordingSink());
    for (const [from, to] of [[-1, 2], [3, 2], [0, 5], [Number.NaN, 2]]) {
      expect(() => splitter.push(new Uint8Array(4), from, to)).toThrow(RangeError);
    }
  });

  test('is refused after the end', () => {
    const splitter = new LineSplitter(new RecordingSink());
    splitter.end();
    expect(() => splitter.push(new Uint8Array(4), 0, 4)).toThrow('push after end');
  });
});

describe('on any bytes, cut anywhere, refused at random', () => {
  const goodLine = fc.tuple(
    fc.nat(8), fc.stringMatching(/^[a-z]{1,9}$/), fc.stringMatching(/^[ -~]{0,30}$/),
    fc.constantFrom('\n', '\n', '\r\n'),
  ).map(([band, key, payload, lineEnd]) => Buffer.from(`${band} ${key} ${payload}${lineEnd}`));
  const fragment = fc.constantFrom(
    '\n', '\r', '\r\n', ' ', '  ', '1', '1 ', '3 k', '3 k ', '8 k', 'größe', '日', '🚀', '\t', '\x0b', '\x09',
  ).map((text) => Buffer.from(text));
  const badByte = fc.constantFrom([0], [0xff], [0xc3], [0xa9], [0xe6, 0x97], [0xed, 0xa0, 0x80], [0x8a])
    .map((bytes) => Buffer.from(bytes));
  const anyBytes = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
  const piece = fc.oneof(
    { weight: 4, arbitrary: goodLine }, { weight: 4, arbitrary: fragment },
    { weight: 1, arbitrary: badByte }, { weight: 1, arbitrary: anyBytes },
  );
  // Good lines in front of every third bring the push over the size from which text is checked natively.
  const input = fc.tuple(fc.constantFrom('', '', manyLines), fc.array(piece, { maxLength: 60, size: 'max' }))
    .map(([front, pieces]) => Buffer.concat([Buffer.from(front), ...pieces]));
  const options = fc.record({
    isRaw: fc.boolean(),
    keyField: fc.integer({ min: 1, max: 3 }),
    urgent: fc.constantFrom(undefined, /[aeiou]{2}/, /ö|日$/),
    maxLineBytes: fc.constantFrom(1, 7, 25, 40, MAX_LINE_BYTES),
  });
  const memory = fc.record({ isShared: fc.boolean(), offset: fc.nat(7) });

  test('gives the lines, seqs and rejections of a reference that sees the whole', () => {
    const seen = new Set<string>();
    fc.assert(fc.property(
      input, options, fc.array(fc.nat(), { maxLength: 20, size: 'max' }), memory,
      fc.infiniteStream(fc.boolean()), fc.boolean(),
      (whole, splitterOptions, cuts, { isShared, offset }, refusals, refusesAtAll) => {
        const backing = isShared
          ? new SharedArrayBuffer(whole.length + offset)
          : new ArrayBuffer(whole.length + offset);
        const bytes = new Uint8Array(backing, offset);
        bytes.set(whole);
        const sink = new RecordingSink(() => refusesAtAll && refusals.next().value === true);
        const splitter = new LineSplitter(sink, splitterOptions);
        feed(splitter, bytes, cuts);

        const expected = referenceOutcomes(whole, splitterOptions);
        expect(sink.outcomes).toEqual(expected);
        expect(splitter.linesIn).toBe(expected.length);
        expect(splitter.carriedBytes).toBe(0);
        for (const reason of REJECT_REASONS) {
          const count = expected.filter((one) => 'reason' in one && one.reason === reason).length;
          expect(splitter.rejectedByReason[reason]).toBe(count);
          if (count > 0) seen.add(reason);
        }
        if (sink.refusedSeqs.length > 0) seen.add('refused');
        if (expected.some((one) => 'key' in one)) seen.add('taken');
      },
    ), { numRuns: 400 });
    // The inputs must be such that the comparison above says something.
    expect([...seen].sort()).toEqual([...REJECT_REASONS, 'refused', 'taken'].sort());
  });
});
