import { describe, expect, it } from 'vitest';
import { LineReader, lines } from './line-reader.js';

describe('the line reader', () => {
  const read = (pieces: (string | Buffer)[], maxLineBytes = 100): { given: string[]; reader: LineReader } => {
    const given: string[] = [];
    const reader = new LineReader({ maxLineBytes }, (line) => given.push(line));
    for (const piece of pieces) reader.push(Buffer.from(piece as string));
    return { given, reader };
  };

  it('takes LF and CRLF, keeps other returns, and gives the last line at the end', () => {
    const { given, reader } = read(['a\nb\r\n\n\r\nc\rd\n\r\r\ne']);
    expect(given).toEqual(['a', 'b', '', '', 'c\rd', '\r']);
    reader.end();
    expect(given.at(-1)).toBe('e');
    expect(reader.lines).toBe(7);
  });

  it('puts together what was split: a line, its CRLF, a character', () => {
    const euro = Buffer.from('x€y\r\n');
    for (let cut = 1; cut < euro.length; cut++)
      expect(read([euro.subarray(0, cut), euro.subarray(cut)]).given, `cut at ${cut}`).toEqual(['x€y']);
    expect(read([...euro].map((byte) => Buffer.of(byte))).given).toEqual(['x€y']);
  });

  it('a line of exactly the limit is taken with either end, however it is split; one byte more is not', () => {
    for (const end of ['\n', '\r\n']) {
      for (const [text, isTaken] of [['12345', true], ['123456', false]] as const) {
        const bytes = `${text}${end}next\n`;
        for (let cut = 0; cut <= bytes.length; cut++) {
          const { given, reader } = read([bytes.slice(0, cut), bytes.slice(cut)], 5);
          expect(given, `${JSON.stringify(bytes)} cut at ${cut}`).toEqual(isTaken ? [text, 'next'] : ['next']);
          expect(reader.tooLong).toBe(isTaken ? 0 : 1);
        }
      }
    }
  });

  it('skips a line that is too long without keeping it, and reports its length', () => {
    const told: number[] = [],
      given: string[] = [];
    const reader = new LineReader({ maxLineBytes: 10, onTooLong: (bytes) => told.push(bytes) }, (line) =>
      given.push(line),
    );
    const piece = Buffer.alloc(65_536, 120);
    for (let i = 0; i < 100; i++) reader.push(piece);
    expect((reader as unknown as { carry: Buffer }).carry.length).toBeLessThan(1000);
    reader.push(Buffer.from('\r'));
    reader.push(Buffer.from('\nok\n'));
    expect([told, given, reader.tooLong]).toEqual([[6_553_600], ['ok'], 1]);
  });

  it('a handler that throws loses no other line; the error is thrown afterwards', () => {
    const given: string[] = [];
    const reader = new LineReader({}, (line) => {
      given.push(line);
      if (line.startsWith('bad')) throw new Error(line);
    });
    expect(() => reader.push(Buffer.from('a\nbad\nb\nc'))).toThrow('bad');
    expect(() => reader.push(Buffer.from('d\nbad1\nbad2\n'))).toThrow("2 lines' handlers threw");
    expect(given).toEqual(['a', 'bad', 'b', 'cd', 'bad1', 'bad2']);
  });

  it('gives nothing more once its source is closed, not even of the bytes just read', () => {
    let data: ((bytes: Uint8Array) => void) | undefined;
    const source = {
      isClosed: false, onData: (handler: (bytes: Uint8Array) => void) => void (data = handler), onEnd: () => undefined,
      end: () => undefined,
    };
    const given: string[] = [];
    const reader = lines(source, {}, (line) => {
      given.push(line);
      if (line === 'stop') source.isClosed = true;
    });
    data!(Buffer.from('a\nstop\nb\nc\n'));
    expect([given, reader.isClosed]).toEqual([['a', 'stop'], true]);
  });

  it('shows no inner verbs', () => {
    const reader = new LineReader({}, () => undefined);
    expect(Object.getOwnPropertyNames(LineReader.prototype).toSorted())
      .toEqual(['close', 'constructor', 'end', 'isClosed', 'push']);
    expect(Object.keys(reader).toSorted()).toEqual(['carry', 'lines', 'maxLineBytes', 'tooLong']);
  });

  it('refuses wrong options', () => {
    expect(() => new LineReader({ maxLineBytes: 0 }, () => undefined)).toThrow(
      'maxLineBytes must be a whole number from 1 to 1073741824, not 0',
    );
    expect(() => new LineReader({}, undefined as never)).toThrow('handler must be a function, not undefined');
  });
});
