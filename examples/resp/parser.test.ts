import { describe, expect, it } from 'vitest';
import { COMMAND, DEFAULT_LIMITS, FAILED, NEED_MORE, RequestParser, type ParserLimits } from './parser.js';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What a parser finds in pieces of a stream; 'more' where it asks for more. */
function parse(pieces: readonly string[], limits: ParserLimits = DEFAULT_LIMITS): (string[] | string)[] {
  const parser = new RequestParser(limits);
  const found: (string[] | string)[] = [];
  for (const piece of pieces) {
    const bytes = new Uint8Array(latin1(`<<${piece}>>`));
    parser.feed(bytes, 2, piece.length);
    for (let outcome = parser.next(); ; outcome = parser.next()) {
      if (outcome === COMMAND) {
        found.push(
          Array.from({ length: parser.count }, (_, i) =>
            Buffer.from(parser.bytes.slice(parser.starts[i]!, parser.ends[i]!)).toString('latin1'),
          ),
        );
      } else if (outcome === NEED_MORE) break;
      else {
        found.push(parser.error);
        break;
      }
    }
    bytes.fill(0x21);
  }
  return found;
}

const SET = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\nhello\r\nyou!\r\n';

describe('the request parser', () => {
  it('finds several commands in one piece, where they lie', () => {
    expect(parse([`${SET}*1\r\n$4\r\nPING\r\n${SET}`])).toEqual([
      ['SET', 'k', 'hello\r\nyou!'], ['PING'], ['SET', 'k', 'hello\r\nyou!'],
    ]);
    const parser = new RequestParser();
    const bytes = new Uint8Array(latin1(SET));
    parser.feed(bytes, 0, bytes.length);
    parser.next();
    expect(parser.bytes).toBe(bytes);
  });

  it.each(Array.from({ length: SET.length - 1 }, (_, i) => i + 1))('finds a command cut at byte %i', (cut) => {
    expect(parse([SET.slice(0, cut), `${SET.slice(cut)}${SET}`])).toEqual([
      ['SET', 'k', 'hello\r\nyou!'], ['SET', 'k', 'hello\r\nyou!'],
    ]);
  });

  it('finds commands in single bytes, inline ones too', () => {
    expect(parse([...`${SET}get "a b"\r\n\r\n${SET}`])).toEqual([
      ['SET', 'k', 'hello\r\nyou!'], ['get', 'a b'], ['SET', 'k', 'hello\r\nyou!'],
    ]);
  });

  it('passes over arrays of nothing and empty lines', () => {
    expect(parse(['*0\r\n*-1\r\n\r\n \r\n*1\r\n$0\r\n\r\n'])).toEqual([['']]);
  });

  it.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*1\r\n:1\r\n', "expected '$', got ':'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$16777217\r\n', 'invalid bulk length'],
    ['*1\r\n$01\r\n', 'invalid bulk length'],
    ['*1\r\n$ 1\r\n', 'invalid bulk length'],
    ['*1\r\n$99999999999999999999\r\n', 'invalid bulk length'],
    ['get "a\r\n', 'unbalanced quotes in request'],
  ])('refuses %j', (stream, why) => {
    expect(parse([stream])).toEqual([`Protocol error: ${why}`]);
    expect(parse([...stream]).at(-1)).toBe(`Protocol error: ${why}`);
  });

  it('says the same error again and takes nothing more', () => {
    const parser = new RequestParser();
    parser.feed(latin1('*x\r\n'), 0, 4);
    expect(parser.next()).toBe(FAILED);
    parser.feed(latin1(SET), 0, SET.length);
    expect(parser.next()).toBe(FAILED);
    expect(parser.heldBytes).toBe(0);
  });

  it('keeps to its limits', () => {
    const limits = { bulkBytes: 10, multibulk: 9, commandBytes: 30 };
    expect(parse(['*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n'], limits)).toEqual([['a', 'b', 'c']]);
    expect(parse(['*10\r\n'], limits)).toEqual(['Protocol error: invalid multibulk length']);
    expect(parse(['*1\r\n$11\r\n'], limits)).toEqual(['Protocol error: invalid bulk length']);
    expect(parse([`*3\r\n$10\r\n${'x'.repeat(10)}\r\n$10\r\n`], limits)).toEqual(['Protocol error: too big request']);
  });

  it('does not take memory for what is only announced', () => {
    const parser = new RequestParser();
    const head = latin1(`*1048576\r\n$${DEFAULT_LIMITS.bulkBytes}\r\n`);
    parser.feed(head, 0, head.length);
    expect(parser.next()).toBe(NEED_MORE);
    expect(parser.heldBytes).toBe(head.length);
    expect(parser.starts.length).toBeLessThan(100);
  });

  it('takes a hundred thousand arguments in pieces without looking at them, or copying them, twice', () => {
    const stream = latin1(`*100000\r\n${'$1\r\nx\r\n'.repeat(100_000)}`);
    const parser = new RequestParser();
    let commands = 0;
    let count = 0;
    const buffers = new Set<Uint8Array>();
    for (let at = 0; at < stream.length; at += 11) {
      parser.feed(stream, at, Math.min(11, stream.length - at));
      while (parser.next() === COMMAND) {
        commands++;
        count = parser.count;
      }
      buffers.add(parser['held']);
    }
    expect({ commands, count, held: parser.heldBytes }).toEqual({ commands: 1, count: 100_000, held: 0 });
    expect(buffers.size).toBeLessThan(100);
  });

  it('goes on after keep, when the chunk is the sender\'s again', () => {
    const parser = new RequestParser();
    const bytes = new Uint8Array(latin1(`${SET}*1\r\n$4\r\nPING\r\n`));
    parser.feed(bytes, 0, bytes.length);
    expect(parser.next()).toBe(COMMAND);
    parser.keep();
    bytes.fill(0);
    const more = latin1('*1\r\n$4\r\nQUIT\r\n');
    parser.feed(more, 0, more.length);
    parser.keep();
    const names: string[] = [];
    while (parser.next() === COMMAND) {
      names.push(Buffer.from(parser.bytes.slice(parser.starts[0], parser.ends[0])).toString());
    }
    expect(names).toEqual(['PING', 'QUIT']);
  });
});

describe('long commands', () => {
  it('of several clients at once come whole, whatever buffers they share one after the other', () => {
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    const clients = Array.from({ length: 6 }, (_, id) => {
      const values = Array.from({ length: 8 }, (__, i) =>
        Buffer.alloc(random(i % 2 === 0 ? 400_000 : 3_000_000), `${id}.${i} `),
      );
      const stream = Buffer.concat(
        values.flatMap((value, i) => [
          Buffer.from(`*3\r\n$3\r\nSET\r\n$2\r\nk${i}\r\n$${value.length}\r\n`), value,
          Buffer.from('\r\n*1\r\n$4\r\nPING\r\n'),
        ]),
      );
      return { parser: new RequestParser(), values, stream, at: 0, found: 0 };
    });
    const chunk = new Uint8Array(65_536);
    while (clients.some(({ stream, at }) => at < stream.length)) {
      const client = clients[random(clients.length)]!;
      const size = Math.min(client.stream.length - client.at, 1 + random(65_536));
      if (size <= 0) continue;
      chunk.set(client.stream.subarray(client.at, client.at + size));
      client.at += size;
      client.parser.feed(chunk, 0, size);
      for (let outcome = client.parser.next(); outcome !== NEED_MORE; outcome = client.parser.next()) {
        expect(outcome).toBe(COMMAND);
        const { bytes, starts, ends, count } = client.parser;
        const number = client.found++;
        if (number % 2 === 1) expect(count).toBe(1);
        else
          expect(
            Buffer.from(bytes.buffer, bytes.byteOffset + starts[2]!, ends[2]! - starts[2]!).equals(
              client.values[number / 2]!,
            ),
          ).toBe(true);
      }
      // The chunk is somebody else's now.
      chunk.fill(0x2a);
    }
    expect(clients.map(({ found }) => found)).toEqual(clients.map(({ values }) => 2 * values.length));
    for (const { parser } of clients) expect(parser.heldBytes).toBe(0);
  });
});
