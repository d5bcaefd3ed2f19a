/** What the commands do that read and write keys: each on one keyspace, with its reply into a writer. They know no connection. */
import { argumentInteger, argumentIs, argumentText, isInt64, readBigInteger, readInteger, type Arguments } from './arguments.js';
import { writeNumber } from './bytes.js';
import { HASH, LIST, TEXT, type Entry, type Keyspace } from './keyspace.js';
import type { ReplyWriter } from './reply-writer.js';
import { TextDeque } from './text-deque.js';

export type DataStep = (args: Arguments, reply: ReplyWriter, keys: Keyspace) => void;

export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';
export const SYNTAX_ERROR = 'ERR syntax error';
const MUST_BE_POSITIVE = 'ERR value is out of range, must be positive';

const find = (keys: Keyspace, args: Arguments, index: number): Entry | undefined => keys.find(args.bytes, args.starts[index]!, args.ends[index]!);
const findOrInsert = (keys: Keyspace, args: Arguments, index: number): Entry => find(keys, args, index) ?? keys.insert(args.bytes, args.starts[index]!, args.ends[index]!);
const setText = (keys: Keyspace, entry: Entry, args: Arguments, index: number): void => keys.setText(entry, args.bytes, args.starts[index]!, args.ends[index]!);

/** `find` for a read that INFO counts. */
function lookUp(keys: Keyspace, args: Arguments, index: number): Entry | undefined {
  const entry = find(keys, args, index);
  if (entry === undefined) keys.misses++;
  else keys.hits++;
  return entry;
}

// ---- Texts ---------------------------------------------------------------------------------------------------------

export const get: DataStep = (args, reply, keys) => {
  const entry = lookUp(keys, args, 1);
  if (entry === undefined) reply.nil();
  else if (entry.kind !== TEXT) reply.error(WRONG_TYPE);
  else reply.bulk(entry.bytes, entry.start, entry.end);
};

/** SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL] */
export const set: DataStep = (args, reply, keys) => {
  let onlyIfNew = false;
  let onlyIfThere = false;
  let returnsOld = false;
  let keepsEnd = false;
  let lifeMs = 0;
  for (let i = 3; i < args.count; i++) {
    if (argumentIs(args, i, 'nx') && !onlyIfThere) onlyIfNew = true;
    else if (argumentIs(args, i, 'xx') && !onlyIfNew) onlyIfThere = true;
    else if (argumentIs(args, i, 'get')) returnsOld = true;
    else if (argumentIs(args, i, 'keepttl') && lifeMs === 0) keepsEnd = true;
    else if ((argumentIs(args, i, 'ex') || argumentIs(args, i, 'px')) && i + 1 < args.count && lifeMs === 0 && !keepsEnd) {
      // Read now, judged when the syntax is known to be right, as redis-server does.
      lifeMs = i + 1;
      i++;
    } else return reply.error(SYNTAX_ERROR);
  }
  if (lifeMs !== 0) {
    const life = argumentInteger(args, lifeMs);
    if (Number.isNaN(life)) return reply.error(NOT_AN_INTEGER);
    lifeMs = argumentIs(args, lifeMs - 1, 'ex') ? life * 1000 : life;
    if (life <= 0 || lifeMs > MOST_LIFE_MS) return reply.error("ERR invalid expire time in 'set' command");
  }
  let entry = find(keys, args, 1);
  if (returnsOld && entry !== undefined && entry.kind !== TEXT) return reply.error(WRONG_TYPE);
  if (returnsOld) {
    if (entry === undefined) reply.nil();
    else reply.bulk(entry.bytes, entry.start, entry.end);
  }
  if (entry === undefined ? onlyIfThere : onlyIfNew) {
    if (!returnsOld) reply.nil();
    return;
  }
  entry ??= keys.insert(args.bytes, args.starts[1]!, args.ends[1]!);
  setText(keys, entry, args, 2);
  if (lifeMs !== 0) keys.expireAt(entry, keys.host.nowMs() + lifeMs);
  else if (!keepsEnd) keys.persist(entry);
  if (!returnsOld) reply.ok();
};

export const mget: DataStep = (args, reply, keys) => {
  reply.array(args.count - 1);
  for (let i = 1; i < args.count; i++) {
    const entry = lookUp(keys, args, i);
    if (entry === undefined || entry.kind !== TEXT) reply.nil();
    else reply.bulk(entry.bytes, entry.start, entry.end);
  }
};

/** The number of arguments has been checked: keys and values in pairs. */
export const mset: DataStep = (args, reply, keys) => {
  for (let i = 1; i < args.count; i += 2) {
    const entry = findOrInsert(keys, args, i);
    setText(keys, entry, args, i + 1);
    keys.persist(entry);
  }
  reply.ok();
};

const digits = new Uint8Array(24);

export const incr: DataStep = (args, reply, keys) => {
  const entry = find(keys, args, 1);
  if (entry !== undefined && entry.kind !== TEXT) return reply.error(WRONG_TYPE);
  const old = entry === undefined ? 0 : readInteger(entry.bytes, entry.start, entry.end);
  if (Number.isNaN(old)) return reply.error(NOT_AN_INTEGER);
  let length: number;
  if (Math.abs(old) < Number.MAX_SAFE_INTEGER) {
    length = writeNumber(digits, 0, old + 1);
  } else {
    const value = readBigInteger(entry!.bytes, entry!.start, entry!.end) + 1n;
    if (!isInt64(value)) return reply.error('ERR increment or decrement would overflow');
    length = Buffer.from(digits.buffer).write(String(value), 'latin1');
  }
  keys.setText(entry ?? keys.insert(args.bytes, args.starts[1]!, args.ends[1]!), digits, 0, length);
  reply.integerText(digits, length);
};

// ---- Any key -------------------------------------------------------------------------------------------------------

export const del: DataStep = (args, reply, keys) => {
  let removed = 0;
  for (let i = 1; i < args.count; i++) {
    const entry = find(keys, args, i);
    if (entry === undefined) continue;
    keys.remove(entry);
    removed++;
  }
  reply.integer(removed);
};

/** A life that would end beyond the milliseconds of 64 bits is refused, with a little room for the clock. */
const MOST_LIFE_MS = 2 ** 63 - 2 ** 43;

/** EXPIRE key seconds [NX | XX | GT | LT] */
export const expire: DataStep = (args, reply, keys) => {
  let flags = 0;
  for (let i = 3; i < args.count; i++) {
    const flag = argumentIs(args, i, 'nx') ? NX : argumentIs(args, i, 'xx') ? XX : argumentIs(args, i, 'gt') ? GT : argumentIs(args, i, 'lt') ? LT : 0;
    if (flag === 0) return reply.error(`ERR Unsupported option ${argumentText(args, i).split('\0')[0]}`);
    flags |= flag;
  }
  if ((flags & NX) !== 0 && (flags & ~NX) !== 0) return reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
  if ((flags & GT) !== 0 && (flags & LT) !== 0) return reply.error('ERR GT and LT options at the same time are not compatible');
  const seconds = argumentInteger(args, 2);
  if (Number.isNaN(seconds)) return reply.error(NOT_AN_INTEGER);
  if (Math.abs(seconds * 1000) > MOST_LIFE_MS) return reply.error("ERR invalid expire time in 'expire' command");
  const entry = find(keys, args, 1);
  if (entry === undefined) return reply.integer(0);
  const atMs = keys.host.nowMs() + seconds * 1000;
  const old = entry.expiresAtMs;
  const isRefused = ((flags & NX) !== 0 && old !== Infinity) || ((flags & XX) !== 0 && old === Infinity) || ((flags & GT) !== 0 && atMs <= old) || ((flags & LT) !== 0 && atMs >= old);
  if (isRefused) return reply.integer(0);
  if (seconds <= 0) keys.remove(entry);
  else keys.expireAt(entry, atMs);
  reply.integer(1);
};
const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;

export const ttl: DataStep = (args, reply, keys) => {
  const entry = find(keys, args, 1);
  if (entry === undefined) reply.integer(-2);
  else if (entry.expiresAtMs === Infinity) reply.integer(-1);
  else reply.integer(Math.floor((entry.expiresAtMs - keys.host.nowMs() + 500) / 1000));
};

// ---- Lists ---------------------------------------------------------------------------------------------------------

export const lpush: DataStep = (args, reply, keys) => {
  const found = find(keys, args, 1);
  if (found !== undefined && found.kind !== LIST) return reply.error(WRONG_TYPE);
  const entry = found ?? keys.insert(args.bytes, args.starts[1]!, args.ends[1]!);
  entry.kind = LIST;
  const list = (entry.list ??= new TextDeque());
  for (let i = 2; i < args.count; i++) list.unshift(argumentText(args, i));
  reply.integer(list.length);
};

/** LPOP key [count] */
export const lpop: DataStep = (args, reply, keys) => {
  if (args.count > 3) return reply.error("ERR wrong number of arguments for 'lpop' command");
  let count = 1;
  if (args.count === 3) {
    count = argumentInteger(args, 2);
    if (!(count >= 0)) return reply.error(MUST_BE_POSITIVE);
  }
  const entry = find(keys, args, 1);
  if (entry === undefined) return args.count === 3 ? reply.nilArray() : reply.nil();
  if (entry.kind !== LIST) return reply.error(WRONG_TYPE);
  const list = entry.list!;
  if (args.count === 3) {
    count = Math.min(count, list.length);
    reply.array(count);
  }
  for (let i = 0; i < count; i++) reply.bulkText(list.shift());
  if (list.length === 0) keys.remove(entry);
};

export const lrange: DataStep = (args, reply, keys) => {
  let first = argumentInteger(args, 2);
  let last = argumentInteger(args, 3);
  if (Number.isNaN(first) || Number.isNaN(last)) return reply.error(NOT_AN_INTEGER);
  const entry = find(keys, args, 1);
  if (entry === undefined) return reply.array(0);
  if (entry.kind !== LIST) return reply.error(WRONG_TYPE);
  const list = entry.list!;
  first = Math.max(0, first < 0 ? first + list.length : first);
  last = Math.min(list.length - 1, last < 0 ? last + list.length : last);
  if (first > last) return reply.array(0);
  reply.array(last - first + 1);
  for (let i = first; i <= last; i++) reply.bulkText(list.at(i));
};

// ---- Hashes --------------------------------------------------------------------------------------------------------

/** The number of arguments has been checked: fields and values in pairs. */
export const hset: DataStep = (args, reply, keys) => {
  const found = find(keys, args, 1);
  if (found !== undefined && found.kind !== HASH) return reply.error(WRONG_TYPE);
  const entry = found ?? keys.insert(args.bytes, args.starts[1]!, args.ends[1]!);
  entry.kind = HASH;
  const fields = (entry.fields ??= new Map<string, string>());
  const before = fields.size;
  for (let i = 2; i < args.count; i += 2) fields.set(argumentText(args, i), argumentText(args, i + 1));
  reply.integer(fields.size - before);
};

export const hget: DataStep = (args, reply, keys) => {
  const entry = lookUp(keys, args, 1);
  if (entry === undefined) return reply.nil();
  if (entry.kind !== HASH) return reply.error(WRONG_TYPE);
  const value = entry.fields!.get(argumentText(args, 2));
  if (value === undefined) reply.nil();
  else reply.bulkText(value);
};
