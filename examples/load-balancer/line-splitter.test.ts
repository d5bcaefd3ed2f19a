import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_LINE_BYTES, REJECT_REASONS, type LineSink, type LineSplitterOptions, type RejectReason,
} from './line-rules.js';
import { LineSplitter } from './line-splitter.js';

interface Taken { seq: number; line: string; band: number; key: string; payload: string }
interface Rejected { seq: number; reason: RejectReason }
type Outcome = Taken | Rejected;

/** Keeps what it is given as text, and refuses a good line whenever `refuses` says so. */
class RecordingSink implements LineSink {
  readonly outcomes: Outcome[] = [];
  readonly refusedSeqs: number[] = [];
  readonly arrays = new Set<Uint8Array>();
  readonly #refuses: () => boolean;

  constructor(refuses: () => boolean = () => false) {
    this.#refuses = refuses;
  }

  line(
    bytes: Uint8Array, lineStart: number, lineEnd: number, band: number,
    keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number, seq: number,
  ): boolean {
    if (this.#refuses()) {
      this.refusedSeqs.push(seq);
      return false;
    }
    const text = (from: number, to: number): string => {
      // Inverted offsets must not pass as an empty range.
      expect(lineStart <= from && from <= to && to <= lineEnd && lineEnd <= bytes.length).toBe(true);
      return Buffer.from(bytes.slice(from, to)).toString('latin1');
    };
    this.arrays.add(bytes);
    this.outcomes.push({
      seq, line: text(lineStart, lineEnd), band, key: text(keyStart, keyEnd), payload: text(payloadStart, payloadEnd),
    });
    return true;
  }

  rejected(seq: number, reason: RejectReason): void {
    this.outcomes.push({ seq, reason });
  }
}

/** The rules on the whole input at once, with strings, regular expressions and another UTF-8 decoder. */
function referenceOutcomes(input: Uint8Array, options: LineSplitterOptions = {}): Outcome[] {
  const { isRaw = false, keyField = 1, urgent, maxLineBytes = MAX_LINE_BYTES } = options;
  const pieces = Buffer.from(input).toString('latin1').split('\n');
  const outcomes: Outcome[] = [];
  pieces.forEach((piece, seq) => {
    const isLast = seq === pieces.length - 1;
    if (isLast && piece === '') return;
    const reject = (reason: RejectReason): void => void outcomes.push({ seq, reason });
    const line = piece.replace(/\r$/, '');
    if (piece.length > maxLineBytes) return reject('too-long');
    if (isLast) return reject('half-line');
    if (line === '') return reject('empty-line');
    if (line.includes('\0')) return reject('nul-byte');
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(line, 'latin1'));
    } catch {
      return reject('not-utf8');
    }
    if (isRaw) {
      const fields = line.split(/[ \t\v\f\r]+/).filter((field) => field !== '');
      if (fields.length < keyField) return reject('missing-key');
      outcomes.push({ seq, line, band: urgent?.test(text) ? 6 : 1, key: fields[keyField - 1], payload: line });
      return;
    }
    if (!/^[0-7]( |$)/.test(line)) return reject('bad-band');
    const match = /^(.) ([^ ]+)(?: (.*))?$/s.exec(line);
    if (match === null) return reject('missing-key');
    outcomes.push({ seq, line, band: Number(match[1]), key: match[2], payload: match[3] ?? '' });
  });
  return outcomes;
}

/** Gives the splitter `input` cut at `cuts`, as a caller under backpressure does, and ends it. */
function feed(splitter: LineSplitter, input: Uint8Array, cuts: number[] = []): void {
  const borders = [0, ...cuts.map((cut) => cut % (input.length + 1)).sort((a, b) => a - b), input.length];
  const attemptLimit = 100_000;
  let attempts = 0;
  for (let index = 1; index < borders.length; index++) {
    let at = borders[index - 1];
    const to = borders[index];
    do {
      at = splitter.push(input, at, to);
      if (++attempts > attemptLimit) throw new Error(`stuck at ${at} of ${to}`);
    } while (at < to || splitter.isLineHeld);
  }
  while (!splitter.end()) if (++attempts > attemptLimit) throw new Error('stuck at the end');
}

function outcomesOf(input: string | Uint8Array, options?: LineSplitterOptions, cuts?: number[]): Outcome[] {
  const sink = new RecordingSink();
  feed(new LineSplitter(sink, options), typeof input === 'string' ? Buffer.from(input) : input, cuts);
  return sink.outcomes;
}

function bytesOf(...parts: (string | number[] | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))));
}

const taken = (seq: number, line: string, band: number, key: string, payload: string): Taken => (
  { seq, line, band, key, payload }
);
const rejected = (seq: number, reason: RejectReason): Rejected => ({ seq, reason });

/** Enough good lines that the text check of a push is the native one. */
const manyLines = '5 filler some-payload\n'.repeat(40);

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
