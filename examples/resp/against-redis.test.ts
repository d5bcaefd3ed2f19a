/**
 * The same bytes to this server and to the real redis-server: the same bytes must come back. On one reactor, on two,
 * over io_uring (or epoll, where that is not to be had), and on node:net.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange, startOnNodeNet, startOwn, startRedis, type RunningServer } from './fixtures/processes.js';
import { ask } from './fixtures/traffic.js';

let redis: RunningServer;
const own: Record<string, RunningServer> = {};
const NAMES = ['one reactor', 'two reactors', 'io_uring', 'node:net'];

beforeAll(async () => {
  redis = await startRedis();
  own['one reactor'] = await startOwn('--reactors', '1');
  own['two reactors'] = await startOwn('--reactors', '2');
  own['io_uring'] = await startOwn('--reactors', '2', '--source', 'io_uring');
  own['node:net'] = await startOnNodeNet();
});
afterAll(async () => {
  await Promise.all([redis, ...Object.values(own)].map((server) => server?.stop()));
});

/** The words of lines, each a request. */
const lines = (text: string): string => text.trim().split('\n').map((line) => ask(...line.trim().split(' '))).join('');

const BIG = 'x'.repeat(200_000);
/** Each in a connection of its own, in this order; keys are their own. */
const CASES: Record<string, string> = {
  'PING and ECHO':
    lines('PING\nPING hello\nPING a b\nECHO\nECHO hi\nECHO a b\nping\nPiNg\necho x') +
    ask('ECHO', '') +
    ask('ECHO', '\r\n\0\xff'),
  'SET and GET': lines(
    'SET s1 v\nGET s1\nGET s1none\nSET s1 other\nGET s1\nSET s1\nGET\nGET a b\nSET s1 longer-than-before\n' +
      'GET s1\nSET s1 x\nGET s1',
  ),
  'SET with options': lines(
    'SET s2 a NX\nSET s2 b NX\nGET s2\nSET s2 c XX\nGET s2\nSET s2none c XX\nGET s2none\nSET s2 d nx xx\n' +
      'SET s2 d xx nx\nSET s2 d foo\nSET s2 d EX\nSET s2 d EX 10 PX 10\nSET s2 d EX 10 KEEPTTL\n' +
      'SET s2 d EX 100 NX\nTTL s2\nSET s2 d XX EX 100\nTTL s2\nSET s2 e KEEPTTL\nTTL s2\nSET s2 f\nTTL s2\n' +
      'SET s2 g PX 100000\nTTL s2\nSET s2 h GET\nSET s2new i GET\nGET s2new\nSET s2new j GET NX\nGET s2new',
  ),
  'SET with a wrong life': lines(
    'SET s3 a EX 0\nSET s3 a EX -1\nSET s3 a EX x\nSET s3 a EX 1.5\nSET s3 a PX 0\n' +
      'SET s3 a EX 99999999999999999\nSET s3 a EX 9223372036854775808\nSET s3 a PX 9223372036854775807\n' +
      'SET s3 a EX 0 foo\nGET s3',
  ),
  'binary keys and values':
    ask('SET', 'b\0\r\n\xff', '\0\x80\xff\r\n') +
    ask('GET', 'b\0\r\n\xff') +
    ask('SET', '', 'empty key') +
    ask('GET', '') +
    ask('SET', 'b2', '') +
    ask('GET', 'b2') +
    ask('HSET', 'b3', '\xff\0', '\r\n') +
    ask('HGET', 'b3', '\xff\0') +
    ask('LPUSH', 'b4', '\xff', '') +
    ask('LRANGE', 'b4', '0', '-1'),
  'long values':
    ask('SET', 'big', BIG) +
    ask('GET', 'big') +
    ask('MGET', 'big', 'bignone', 'big') +
    ask('LPUSH', 'biglist', BIG, 'a', BIG) +
    ask('LRANGE', 'biglist', '0', '-1') +
    ask('SET', BIG, 'v') +
    ask('GET', BIG),
  'INCR':
    lines(
      'INCR i1\nINCR i1\nGET i1\nSET i1 abc\nINCR i1\nSET i1 9223372036854775806\nINCR i1\nINCR i1\nGET i1\n' +
        'SET i1 -1\nINCR i1\nSET i1 01\nINCR i1\nSET i1 +1\nINCR i1\nSET i1 9007199254740990\nINCR i1\nINCR i1\n' +
        'INCR i1\nSET i1 -9223372036854775808\nINCR i1\nSET i1 9223372036854775808\nINCR i1\n' +
        'SET i1 99999999999999999999\nINCR i1\nINCR\nINCR a b\nSET i1 99\nINCR i1\nSET i1 -10\nINCR i1\n' +
        'SET i1 1.5\nINCR i1',
    ) +
    ask('SET', 'i2', '') +
    ask('INCR', 'i2') +
    ask('SET', 'i2', ' 1') +
    ask('INCR', 'i2') +
    ask('SET', 'i2', '-0') +
    ask('INCR', 'i2') +
    ask('SET', 'i3', '5', 'EX', '100') +
    ask('INCR', 'i3') +
    ask('TTL', 'i3'),
  'many keys at once': lines(
    'MSET m1 a m2 b m3 c m4 d m5 e\nMGET m1 m2 m3 m4 m5\nMGET m5 none m1 none m5\nDEL m1 m2 none m1\n' +
      'MGET m1 m2 m3\nDEL none\nDEL m3 m4 m5\nMSET a\nMSET a b c\nMSET\nMGET\nDEL\nMSET m1 a m1 b\nGET m1\n' +
      'MSET m1 x\nGET m1\nLPUSH mlist a\nMGET mlist m1\nMSET mlist t\nGET mlist',
  ),
  'lives': lines(
    'SET e1 v\nTTL e1\nEXPIRE e1 100\nTTL e1\nEXPIRE e1 200 NX\nTTL e1\nEXPIRE e1 200 GT\nTTL e1\n' +
      'EXPIRE e1 100 GT\nEXPIRE e1 50 LT\nTTL e1\nEXPIRE e1 60 LT\nEXPIRE e1 300 XX\nTTL e1\nTTL none\n' +
      'EXPIRE none 10\nEXPIRE e1 -1\nGET e1\nTTL e1\nSET e1 v\nEXPIRE e1 10 XX\nEXPIRE e1 10 GT\n' +
      'EXPIRE e1 10 LT\nEXPIRE e1 0\nGET e1\nEXPIRE e1\nTTL\nTTL a b\nEXPIRE e1 x\n' +
      'EXPIRE e1 9223372036854775807\nEXPIRE e1 -9223372036854775808\nEXPIRE e1 10 foo\nEXPIRE e1 10 nx gt\n' +
      'EXPIRE e1 10 gt lt\nEXPIRE e1 x foo\nSET e1 v EX 100\nSET e1 w\nTTL e1\nSET e2 v EX 100\nMSET e2 w\n' +
      'TTL e2\nLPUSH e3 a\nEXPIRE e3 100\nLPUSH e3 b\nTTL e3\nLPOP e3 2\nTTL e3',
  ),
  'lists': lines(
    'LPUSH l1 a\nLPUSH l1 b c d\nLRANGE l1 0 -1\nLRANGE l1 1 2\nLRANGE l1 -2 -1\nLRANGE l1 -100 100\n' +
      'LRANGE l1 3 1\nLRANGE l1 10 20\nLRANGE l1 x 1\nLRANGE l1 0 1.5\n' +
      'LRANGE l1 -9223372036854775808 9223372036854775807\nLRANGE l1 0\nLRANGE none 0 -1\nLRANGE none x 0\n' +
      'LPOP l1\nLPOP l1 2\nLPOP l1 0\nLPOP l1 -1\nLPOP l1 x\nLPOP l1 1 2\nLPOP l1 100\nLPOP l1\nLPOP l1 1\n' +
      'LPOP none\nLPOP none 0\nLPOP none -1\nLPUSH l1\nLPUSH\nLPOP\nGET l1\nLPUSH l1 a b c d e f g h i j k l\n' +
      'LRANGE l1 0 -1\nLPOP l1 5\nLPUSH l1 m n\nLRANGE l1 0 -1',
  ),
  'hashes': lines(
    'HSET h1 f v\nHSET h1 f w\nHGET h1 f\nHSET h1 a 1 b 2 f 3\nHGET h1 a\nHGET h1 f\nHGET h1 none\n' +
      'HGET none f\nHSET h1 f\nHSET h1\nHSET\nHSET h1 a 1 b\nHGET h1\nHGET h1 a b',
  ),
  'the wrong kind': lines(
    'SET w1 v\nLPUSH w2 a\nHSET w3 f v\nLPUSH w1 a\nLPOP w1\nLPOP w1 2\nLRANGE w1 0 -1\nHSET w1 f v\n' +
      'HGET w1 f\nGET w2\nINCR w2\nHGET w2 f\nHSET w2 f v\nGET w3\nINCR w3\nLPUSH w3 a\nLRANGE w3 0 1\n' +
      'SET w2 v GET\nSET w2 v NX\nSET w2 v\nGET w2\nDEL w1 w2 w3',
  ),
  'unknown commands':
    lines('FOO\nFOO a b c\nfoo a') +
    ask('') +
    ask('FOO\r\nBAR', 'a\nb') +
    ask('X'.repeat(300), 'y'.repeat(300), 'z') +
    ask('F\0O', 'a\0b') +
    ask('foo', ...Array.from({ length: 50 }, (_, i) => `arg${i}`)) +
    ask('getx', 'a') +
    ask('ge', 'a'),
  'CONFIG and COMMAND': lines(
    'CONFIG\nCONFIG GET\nCONFIG FOO\nCONFIG GET save\nCONFIG GET appendonly\nCONFIG GET SAVE\n' +
      'CONFIG GET nosuchsetting\nCONFIG GET proto-max-bulk-le?\nCONFIG GET appendonl*\nCOMMAND FOO\n' +
      'COMMAND DOCS nosuchcommand\nCOMMAND INFO nosuchcommand',
  ),
  'inline commands':
    'PING\r\nping\nSET in1 "a b"\r\nGET in1\r\n\r\n\r\n   \r\nSET in1 \'it\\\'s\'\r\nGET in1\r\n' +
      'SET in1 "\\x41\\x4a\\n\\r\\t\\b\\a\\q\\\\\\""\r\nGET in1\r\n  GET   in1  \r\nSET in1 a"b"\r\nGET in1\r\n' +
      'ECHO ""\r\nECHO "\\x4"\r\nget in1\t\r\nfoo "a b" c\r\n',
  'inline and arrays mixed':
    `PING\r\n${ask('PING')}SET in2 v\r\n${ask('GET', 'in2')}GET in2\n*0\r\n*-1\r\n${ask('PING')}`,
  'unbalanced quotes': 'PING\r\nGET "abc\r\nPING\r\n',
  'quotes inside a word': 'PING\r\nGET "abc"d\r\nPING\r\n',
  'a wrong number of arguments announced': `${ask('PING')}*x\r\n`,
  'too many arguments announced': `${ask('PING')}*3000000000\r\n`,
  'an argument that is no bulk': `${ask('PING')}*1\r\n:4\r\nPING\r\n`,
  'a wrong length': `${ask('PING')}*1\r\n$x\r\nPING\r\n`,
  'a negative length': `${ask('PING')}*1\r\n$-1\r\nPING\r\n`,
  'a length with a zero in front': `${ask('PING')}*1\r\n$04\r\nPING\r\n`,
  'too long a bulk': `${ask('PING')}*2\r\n$4\r\nECHO\r\n$16777217\r\n`,
  'subscribing': lines(
    'SUBSCRIBE c1 c2\nSUBSCRIBE c1\nPING\nPING x\nGET k\nPUBLISH c1 x\nFOO\nUNSUBSCRIBE c2\nUNSUBSCRIBE c2\n' +
      'UNSUBSCRIBE none\nUNSUBSCRIBE\nUNSUBSCRIBE\nPING\nGET none\nSUBSCRIBE\nPUBLISH c1\nPUBLISH none hello\n' +
      'SUBSCRIBE c1 c2\nQUIT\nPING',
  ),
  'QUIT': lines('SET q1 v\nQUIT\nGET q1'),
  'a thousand in one go': Array.from(
    { length: 1000 },
    (_, i) =>
      ask('SET', `t${i % 50}`, String(i)) +
      ask('GET', `t${i % 50}`) +
      ask('INCR', `t${(i * 7) % 50}`) +
      ask('MGET', `t${i % 50}`, `t${(i + 1) % 50}`, 'none'),
  ).join(''),
};

/** Lines that never end: the server closes, so no end mark follows. */
const ENDLESS: Record<string, string> = {
  'an inline line': `PING\r\n${'y'.repeat(70_000)}`,
  'a line of digits': `${ask('PING')}*${'1'.repeat(70_000)}`,
  'a length': `${ask('PING')}*1\r\n$${'1'.repeat(70_000)}`,
};

describe.each(NAMES)('on %s', (name) => {
  it.each(Object.keys(ENDLESS))('too long: %s', async (title) => {
    const expected = await exchange(redis.port, ENDLESS[title]!, 'whole', '');
    expect(expected).toMatch(/^\+PONG\r\n-ERR Protocol error: too big /);
    expect(await exchange(own[name]!.port, ENDLESS[title]!, 'whole', '')).toBe(expected);
  });

  it.each(Object.keys(CASES))('%s', async (title) => {
    // Two servers see one series of cases each; redis sees it once for each of ours, so it is emptied before.
    await exchange(redis.port, ask('DEL', ...keysOf(CASES[title]!)));
    const expected = await exchange(redis.port, CASES[title]!);
    expect(expected).not.toBe('');
    expect(await exchange(own[name]!.port, CASES[title]!)).toBe(expected);
  });
});

it('a stream in pieces of one byte gets the same answers', async () => {
  const stream = ['SET with options', 'many keys at once', 'inline and arrays mixed', 'subscribing'].map(
    (title) => CASES[title]!,
  );
  for (const one of stream) {
    await exchange(redis.port, ask('DEL', ...keysOf(one)));
    await exchange(own['two reactors']!.port, ask('DEL', ...keysOf(one)));
    expect(await exchange(own['two reactors']!.port, one, 'bytes')).toBe(await exchange(redis.port, one));
  }
});

/** Every word that a case may have used as a key. */
function keysOf(stream: string): string[] {
  return [
    '',
    ...new Set(stream.match(/[a-z0-9\0\xff\r\n]+/gi)?.flatMap((word) => [word, ...word.split('\r\n')]) ?? []),
    'b\0\r\n\xff',
  ];
}
