import { describe, expect, it } from 'vitest';
import { NO_REPLY, ProtocolError, ReplyParser, RespError, type Reply } from './reply-parser.js';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The replies in pieces of a stream, each piece overwritten when it has been read. */
function parse(pieces: readonly string[], bulks: 'text' | 'bytes' = 'text'): Reply[] {
  const parser = new ReplyParser(() => bulks);
  const replies: Reply[] = [];
  for (const piece of pieces) {
    const bytes = new Uint8Array(latin1(`:1\r\n${piece}:1\r\n`));
    parser.feed(bytes, 4, piece.length);
    for (let reply = parser.next(); reply !== NO_REPLY; reply = parser.next()) replies.push(reply);
    bytes.fill(0x2b);
  }
  return replies;
}

const STREAM =
  '+OK\r\n-ERR no\r\n:-12\r\n:9223372036854775807\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n' +
    '$1\r\nx\r\n*2\r\n:1\r\n*1\r\n-WRONGTYPE y\r\n$-1\r\n+end\r\n';
const REPLIES: Reply[] = [
  'OK', new RespError('ERR no'), -12, 9223372036854775807n, 'a\r\nbc', '', null, null, [],
  ['x', [1, [new RespError('WRONGTYPE y')]], null], 'end',
];

describe('the reply parser', () => {
  it('knows every kind of reply', () => {
    expect(parse([STREAM])).toEqual(REPLIES);
    expect((parse(['-WRONGTYPE y\r\n'])[0] as RespError).code).toBe('WRONGTYPE');
  });

  it('finds the same wherever the stream is cut', () => {
    for (let cut = 1; cut < STREAM.length; cut++) {
      expect(parse([STREAM.slice(0, cut), STREAM.slice(cut)])).toEqual(REPLIES);
    }
    expect(parse([...STREAM])).toEqual(REPLIES);
  });

  it('gives bulks as text or as bytes that are the receiver\'s own', () => {
    expect(parse(['$4\r\n\xc3\xbc\xe2\x82\r\n'])[0]).toBe('ü\ufffd');
    expect(parse(['$3\r\n\0\xff\r\r\n'], 'bytes')[0]).toEqual(Uint8Array.of(0, 255, 13));
  });

  it.each([
    'HTTP/1.1 200 OK\r\n', ':1x\r\n', ':\r\n', '$-2\r\n', '$x\r\n', '$999999999999\r\n', '*99999999999\r\n', '*-2\r\n',
    `${'*1\r\n'.repeat(20)}`, `+${'x'.repeat(70_000)}`,
  ])('refuses %j', (stream) => {
    expect(() => parse([stream])).toThrow(ProtocolError);
  });
});
