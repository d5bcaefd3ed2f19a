/** What is a line, and what is rejected. */
import { describe, expect, test } from 'vitest';
import { MAX_LINE_BYTES, type RejectReason } from './line-rules.js';
import { LineSplitter } from './line-splitter.js';
import {
  RecordingSink, bytesOf, feed, manyLines, outcomesOf, referenceOutcomes, rejected, taken, type Rejected, type Taken,
} from './fixtures/recording-sink.js';

describe('a banded line', () => {
  test('is split at the first two spaces', () => {
    expect(outcomesOf('3 card-1 a b  c\n')).toEqual([taken(0, '3 card-1 a b  c', 3, 'card-1', 'a b  c')]);
  });

  test('may have an empty payload, with or without the second space', () => {
    expect(outcomesOf('3 key\n3 key \n')).toEqual([taken(0, '3 key', 3, 'key', ''), taken(1, '3 key ', 3, 'key', '')]);
  });

  test('loses one carriage return, only directly before the line feed', () => {
    expect(outcomesOf('0 k p\r\n0 k\r\n0 k p\r\r\n0 k\rk p\n0 k \r\n')).toEqual([
      taken(0, '0 k p', 0, 'k', 'p'), taken(1, '0 k', 0, 'k', ''), taken(2, '0 k p\r', 0, 'k', 'p\r'),
      taken(3, '0 k\rk p', 0, 'k\rk', 'p'), taken(4, '0 k ', 0, 'k', ''),
    ]);
    const large = outcomesOf(`${manyLines}0 k p\r\n0 k\r\n`);
    expect(large.slice(40)).toEqual([taken(40, '0 k p', 0, 'k', 'p'), taken(41, '0 k', 0, 'k', '')]);
  });

  test.each([0, 1, 2, 3, 4, 5, 6, 7])('may have band %i', (band) => {
    expect(outcomesOf(`${band} k p\n`)).toEqual([taken(0, `${band} k p`, band, 'k', 'p')]);
  });

  test('is found wherever its line feed falls in a word of four bytes', () => {
    for (let length = 0; length < 20; length++) {
      const payload = 'x'.repeat(length);
      const input = `${manyLines}1 key ${payload}\n2 other\n`;
      expect(outcomesOf(input).slice(-2)).toEqual([
        taken(40, `1 key ${payload}`, 1, 'key', payload), taken(41, '2 other', 2, 'other', ''),
      ]);
    }
  });

  test('does not end at bytes that resemble a line feed next to one', () => {
    const payload = '\x0b\x09\x0b\x0b\u00ca\u008a';
    const line = bytesOf('1 k ', payload, '\x0b').toString('latin1');
    expect(outcomesOf(`1 k ${payload}\x0b\n2 k\n`)).toEqual([
      { seq: 0, line, band: 1, key: 'k', payload: line.slice(4) }, taken(1, '2 k', 2, 'k', ''),
    ]);
  });
});

describe('a rejected line', () => {
  const cases: [string, Uint8Array, RejectReason][] = [
    ['nothing', bytesOf(''), 'empty-line'],
    ['only a carriage return', bytesOf('\r'), 'empty-line'],
    ['a NUL in its payload', bytesOf('1 k a\0b'), 'nul-byte'],
    ['a NUL in its key', bytesOf('1 k\0 b'), 'nul-byte'],
    ['a lone continuation byte', bytesOf('1 k ', [0x80]), 'not-utf8'],
    ['a character cut short', bytesOf('1 k ', [0xe6, 0x97]), 'not-utf8'],
    ['an overlong slash', bytesOf('1 k ', [0xc0, 0xaf]), 'not-utf8'],
    ['a surrogate', bytesOf('1 k ', [0xed, 0xa0, 0x80]), 'not-utf8'],
    ['a code point over 10FFFF', bytesOf('1 k ', [0xf4, 0x90, 0x80, 0x80]), 'not-utf8'],
    ['band 8', bytesOf('8 k p'), 'bad-band'],
    ['a band below 0', bytesOf('/ k p'), 'bad-band'],
    ['a band of two digits', bytesOf('12 k p'), 'bad-band'],
    ['a leading space', bytesOf(' 1 k p'), 'bad-band'],
    ['a tab behind the band', bytesOf('1\tk p'), 'bad-band'],
    ['one space', bytesOf(' '), 'bad-band'],
    ['only a band', bytesOf('1'), 'missing-key'],
    ['only a band and a space', bytesOf('1 '), 'missing-key'],
    ['two spaces behind the band', bytesOf('1  k p'), 'missing-key'],
    ['NUL, bad UTF-8 and a bad band', bytesOf('9', [0, 0xff]), 'nul-byte'],
    ['bad UTF-8 and a bad band', bytesOf('9', [0xff]), 'not-utf8'],
    ['a bad band and no key', bytesOf('9 '), 'bad-band'],
  ];

  test.each(cases)('with %s has its reason, in every path through the splitter', (_, line, reason) => {
    const small = bytesOf('0 a\n', line, '\n0 b\n');
    const outcome = [taken(0, '0 a', 0, 'a', ''), rejected(1, reason), taken(2, '0 b', 0, 'b', '')];
    expect(outcomesOf(small)).toEqual(outcome);
    for (let cut = 0; cut <= small.length; cut++) expect(outcomesOf(small, {}, [cut])).toEqual(outcome);

    const large = outcomesOf(bytesOf(manyLines, line, '\n', manyLines));
    expect(large[40]).toEqual(rejected(40, reason));
    expect(large.filter((one) => 'reason' in one)).toHaveLength(1);
    expect(large).toHaveLength(81);
  });

  test('is counted under its reason, and every line is counted', () => {
    const splitter = new LineSplitter(new RecordingSink(), { maxLineBytes: 10 });
    feed(splitter, bytesOf('1 k\n\n9 k\n9 k\n1\n', [0, 10, 0xff, 10], '1 k 34567890\n1 tail'));
    expect(splitter.rejectedByReason).toEqual({
      'too-long': 1, 'half-line': 1, 'empty-line': 1, 'nul-byte': 1, 'not-utf8': 1, 'bad-band': 2, 'missing-key': 1,
    });
    expect(splitter.linesIn).toBe(9);
  });

  test('never takes its neighbours in the same chunk with it', () => {
    const outcomes = outcomesOf(bytesOf(manyLines, '1 k ', [0xc3], '\n', [0xa9], '\n', manyLines));
    expect(outcomes.filter((one) => 'reason' in one)).toEqual([rejected(40, 'not-utf8'), rejected(41, 'not-utf8')]);
  });
});

describe('text of several bytes a character', () => {
  const line = '4 größe 日本語 🚀 text';

  test('is good wherever a chunk border cuts it', () => {
    const input = bytesOf(manyLines, line, '\n', manyLines);
    const start = manyLines.length;
    const whole = referenceOutcomes(input);
    expect(whole.every((one) => !('reason' in one))).toBe(true);
    for (let cut = start - 1; cut < start + Buffer.byteLength(line) + 2; cut++) {
      expect(outcomesOf(input, {}, [cut])).toEqual(whole);
    }
  });

  test('is good on shared memory, in the pushed array and in the carry buffer', () => {
    const input = bytesOf(manyLines, line, '\n', manyLines);
    const shared = new Uint8Array(new SharedArrayBuffer(input.length));
    shared.set(input);
    expect(outcomesOf(shared)).toEqual(referenceOutcomes(input));
    expect(outcomesOf(shared, {}, [manyLines.length + 5])).toEqual(referenceOutcomes(input));
    shared[manyLines.length + 4] = 0xff;
    expect(outcomesOf(shared)[40]).toEqual(rejected(40, 'not-utf8'));
  });
});

describe('a long line', () => {
  const head = '1 k ';
  const longest = head + 'x'.repeat(MAX_LINE_BYTES - head.length);

  test.each([[[]], [[1]], [[30_000, 60_000]], [[MAX_LINE_BYTES]], [[MAX_LINE_BYTES - 1, MAX_LINE_BYTES]]])(
    'is good at 65,536 bytes and too long at 65,537, cut at %j', (cuts) => {
      expect(outcomesOf(`${longest}\n`, {}, cuts)).toEqual([taken(0, longest, 1, 'k', longest.slice(4))]);
      const tooLong = outcomesOf(`${longest}x\n2 k\n`, {}, cuts);
      expect(tooLong).toEqual([rejected(0, 'too-long'), taken(1, '2 k', 2, 'k', '')]);
      expect(outcomesOf(`${longest}x`, {}, cuts)).toEqual([rejected(0, 'too-long')]);
      expect(outcomesOf(longest, {}, cuts)).toEqual([rejected(0, 'half-line')]);
    },
  );

  test('counts a carriage return before its line feed', () => {
    expect(outcomesOf(`${longest.slice(1)}\r\n`)).toEqual([rejected(0, 'bad-band')]);
    expect(outcomesOf(`${longest}\r\n`)).toEqual([rejected(0, 'too-long')]);
  });

  test('is rejected with its first byte too many, skipped to its line feed, and never held beyond 64 KiB', () => {
    const sink = new RecordingSink();
    const splitter = new LineSplitter(sink);
    const chunk = Buffer.alloc(1_000, 'x');
    for (let sent = 0; sent + 1_000 <= MAX_LINE_BYTES; sent += 1_000) splitter.push(chunk, 0, 1_000);
    splitter.push(chunk, 0, MAX_LINE_BYTES % 1_000);
    expect(splitter.carriedBytes).toBe(MAX_LINE_BYTES);
    expect(sink.outcomes).toEqual([]);
    splitter.push(chunk, 0, 1);
    expect(sink.outcomes).toEqual([rejected(0, 'too-long')]);
    for (let pushes = 0; pushes < 1_000; pushes++) {
      expect(splitter.push(chunk, 0, 1_000)).toBe(1_000);
      expect(splitter.carriedBytes).toBe(0);
    }
    const rest = bytesOf('1 in-the-long-line\n', '2 k\n');
    expect(splitter.push(rest, 0, rest.length)).toBe(rest.length);
    expect(sink.outcomes).toEqual([rejected(0, 'too-long'), taken(1, '2 k', 2, 'k', '')]);
    expect(splitter.linesIn).toBe(2);
  });

  test('with other faults is only too long', () => {
    const input = bytesOf('9\0', [0xff], 'x'.repeat(MAX_LINE_BYTES), '\n');
    expect(outcomesOf(input)).toEqual([rejected(0, 'too-long')]);
  });

  test('leaves a carry buffer in which a short line is still checked', () => {
    // The plain line fills the first carry buffer with bytes that a check of the wrong buffer would find good.
    const plain = '0 k plain-text-text\n';
    const long = `1 k ${'x'.repeat(3_000)}\n`;
    const input = bytesOf(plain, long, '2 k ', [0xff], '\n3 k\0\n4 k\n');
    const badStart = plain.length + long.length;
    const cuts = [plain.length - 1, plain.length + 2_000, badStart + 4, badStart + 9];
    expect(outcomesOf(input, {}, cuts).slice(2)).toEqual([
      rejected(2, 'not-utf8'), rejected(3, 'nul-byte'), taken(4, '4 k', 4, 'k', ''),
    ]);
  });
});

describe('a half line', () => {
  test('is rejected at the end of the connection, whatever it holds', () => {
    expect(outcomesOf('1 k p\n1 k p')).toEqual([taken(0, '1 k p', 1, 'k', 'p'), rejected(1, 'half-line')]);
    expect(outcomesOf('\r')).toEqual([rejected(0, 'half-line')]);
    expect(outcomesOf('\0')).toEqual([rejected(0, 'half-line')]);
  });

  test('is not seen when the last line is whole', () => {
    expect(outcomesOf('1 k p\n')).toHaveLength(1);
    expect(outcomesOf('')).toEqual([]);
  });
});

describe('raw lines', () => {
  test('have band 1, the first field as key and the whole line as payload', () => {
    const line = '  alpha beta';
    expect(outcomesOf(`${line}\r\n`, { isRaw: true })).toEqual([taken(0, line, 1, 'alpha', line)]);
  });

  test('take the key from the field asked for, whatever whitespace is between', () => {
    const line = 'a\t b \v\fc  d';
    const keyOf = (keyField: number): string => (outcomesOf(`${line}\n`, { isRaw: true, keyField })[0] as Taken).key;
    expect([1, 2, 3, 4].map(keyOf)).toEqual(['a', 'b', 'c', 'd']);
    expect(outcomesOf(`${line}\n`, { isRaw: true, keyField: 5 })).toEqual([rejected(0, 'missing-key')]);
    expect(outcomesOf(' \t \n', { isRaw: true })).toEqual([rejected(0, 'missing-key')]);
  });

  test('have band 6 when they match, each line by itself', () => {
    const options = { isRaw: true, urgent: /ERROR|größer$/g };
    const outcomes = outcomesOf('x ERROR y\nx ERROR y\nwarn\nist größer\ngrößer ist\n', options);
    expect(outcomes.map((one) => (one as Taken).band)).toEqual([6, 6, 1, 6, 1]);
  });

  test('are rejected when empty, not text or too long', () => {
    const input = bytesOf('\n\r\n', [0x61, 0, 10, 0xff, 10], 'x'.repeat(MAX_LINE_BYTES + 1), '\nx');
    expect(outcomesOf(input, { isRaw: true }).map((one) => (one as Rejected).reason)).toEqual([
      'empty-line', 'empty-line', 'nul-byte', 'not-utf8', 'too-long', 'half-line',
    ]);
  });
});

test.each([{ keyField: 0 }, { keyField: 1.5 }, { maxLineBytes: 0 }])('LineSplitter rejects %j', (options) => {
  expect(() => new LineSplitter(new RecordingSink(), options)).toThrow(RangeError);
});
