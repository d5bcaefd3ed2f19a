/**
 * What the commands do that read and write texts, and those for any key: each on one keyspace, with its reply into a
 * writer. They know no connection.
 */
import {
  LEAST_64, MOST_64, argumentInteger, argumentIs, argumentText, isInt64, readBigInteger, readInteger, type Arguments,
} from './arguments.js';
import { writeNumber } from './bytes.js';
import { TEXT, type Entry, type Keyspace } from './keyspace.js';
import { NOT_AN_INTEGER, SYNTAX_ERROR, WRONG_TYPE, find, lookUp, type DataStep } from './key-steps.js';
import type { ReplyWriter } from './reply-writer.js';

/** Makes a key a text: `found` is its entry, if it has one. When memory is short nothing has changed. */
function putText(
  keys: Keyspace, found: Entry | undefined, args: Arguments, key: number, bytes: Uint8Array, start: number, end: number,
): Entry {
  const entry = found ?? keys.insert(args.bytes, args.starts[key]!, args.ends[key]!, end - start);
  keys.setText(entry, bytes, start, end);
  return entry;
}

// ---- Texts --------------------------------------------------------------------------------------------------------

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
  /** The argument that says how long it lives, and in which unit; the last of them counts. */
  let life = 0;
  let unit = 0;
  for (let i = 3; i < args.count; i++) {
    if (argumentIs(args, i, 'nx') && !onlyIfThere) onlyIfNew = true;
    else if (argumentIs(args, i, 'xx') && !onlyIfNew) onlyIfThere = true;
    else if (argumentIs(args, i, 'get')) returnsOld = true;
    else if (argumentIs(args, i, 'keepttl') && life === 0) keepsEnd = true;
    else if (argumentIs(args, i, 'ex') && i + 1 < args.count && unit !== 1 && !keepsEnd) {
      // Read when the syntax is known to be right, as redis-server does.
      unit = 1000;
      life = ++i;
    } else if (argumentIs(args, i, 'px') && i + 1 < args.count && unit !== 1000 && !keepsEnd) {
      unit = 1;
      life = ++i;
    } else return reply.error(SYNTAX_ERROR);
  }
  let endMs: number | bigint = 0;
  if (life !== 0) {
    const amount = argumentInteger(args, life);
    if (Number.isNaN(amount)) return reply.error(NOT_AN_INTEGER);
    const end = amount <= 0 ? undefined : endOf(keys, args, life, amount, unit);
    if (end === undefined) return reply.error("ERR invalid expire time in 'set' command");
    endMs = end;
  }
  const entry = find(keys, args, 1);
  if (returnsOld && entry !== undefined && entry.kind !== TEXT) return reply.error(WRONG_TYPE);
  if (returnsOld) {
    if (entry === undefined) reply.nil();
    else reply.bulk(entry.bytes, entry.start, entry.end);
  }
  if (entry === undefined ? onlyIfThere : onlyIfNew) {
    if (!returnsOld) reply.nil();
    return;
  }
  const put = putText(keys, entry, args, 1, args.bytes, args.starts[2]!, args.ends[2]!);
  if (life !== 0) keys.expireAt(put, endMs);
  else if (!keepsEnd) keys.persist(put);
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
    keys.persist(putText(keys, find(keys, args, i), args, i, args.bytes, args.starts[i + 1]!, args.ends[i + 1]!));
  }
  reply.ok();
};

const digits = new Uint8Array(24);

export const incr: DataStep = (args, reply, keys) => add(args, reply, keys, 1);
export const decr: DataStep = (args, reply, keys) => add(args, reply, keys, -1);

export const incrBy: DataStep = (args, reply, keys) => {
  const by = exactInteger(args, 2);
  if (by === undefined) reply.error(NOT_AN_INTEGER);
  else add(args, reply, keys, by);
};

export const decrBy: DataStep = (args, reply, keys) => {
  const by = exactInteger(args, 2);
  if (by === undefined) reply.error(NOT_AN_INTEGER);
  else if (by === LEAST_64) reply.error('ERR decrement would overflow');
  else add(args, reply, keys, -by);
};

/** A number where that is exact, else a bigint; undefined for what is no integer of 64 bits. */
function exactInteger(args: Arguments, index: number): number | bigint | undefined {
  const value = argumentInteger(args, index);
  if (Number.isNaN(value)) return undefined;
  return Number.isFinite(value) ? value : readBigInteger(args.bytes, args.starts[index]!, args.ends[index]!);
}

function add(args: Arguments, reply: ReplyWriter, keys: Keyspace, by: number | bigint): void {
  const entry = find(keys, args, 1);
  if (entry !== undefined && entry.kind !== TEXT) return reply.error(WRONG_TYPE);
  const old = entry === undefined ? 0 : readInteger(entry.bytes, entry.start, entry.end);
  if (Number.isNaN(old)) return reply.error(NOT_AN_INTEGER);
  let length: number;
  const sum = typeof by === 'number' ? old + by : Infinity;
  if (Math.abs(sum) < Number.MAX_SAFE_INTEGER) {
    length = writeNumber(digits, 0, sum);
  } else {
    const value = (entry === undefined ? 0n : readBigInteger(entry.bytes, entry.start, entry.end)) + BigInt(by);
    if (!isInt64(value)) return reply.error('ERR increment or decrement would overflow');
    length = Buffer.from(digits.buffer).write(String(value), 'latin1');
  }
  putText(keys, entry, args, 1, digits, 0, length);
  reply.integerText(digits, length);
}

// ---- Any key ------------------------------------------------------------------------------------------------------

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

/** FLUSHALL, FLUSHDB [ASYNC | SYNC] */
export const flush: DataStep = (args, reply, keys) => {
  if (args.count > 2 || (args.count === 2 && !argumentIs(args, 1, 'sync') && !argumentIs(args, 1, 'async'))) {
    return reply.error(SYNTAX_ERROR);
  }
  keys.clear();
  reply.ok();
};

export const dbSize: DataStep = (_args, reply, keys) => reply.integer(keys.size);

/**
 * When it will be over, by the keyspace's clock: argument `index`, which is `amount` (infinite beyond 2^53), in units
 * of `unitMs` milliseconds from now. Undefined when that is beyond 64 bits, by redis-server's clock, which counts from
 * 1970.
 */
function endOf(
  keys: Keyspace, args: Arguments, index: number, amount: number, unitMs: number,
): number | bigint | undefined {
  const nowMs = keys.host.nowMs();
  if (Math.abs(amount * unitMs) < Number.MAX_SAFE_INTEGER / 2) return nowMs + amount * unitMs;
  const exact = readBigInteger(args.bytes, args.starts[index]!, args.ends[index]!) * BigInt(unitMs);
  if (exact < LEAST_64 || exact + BigInt(Date.now()) > MOST_64) return undefined;
  return BigInt(Math.floor(nowMs)) + exact;
}

/** EXPIRE key seconds [NX | XX | GT | LT] */
export const expire: DataStep = (args, reply, keys) => {
  let flags = 0;
  for (let i = 3; i < args.count; i++) {
    const flag = argumentIs(args, i, 'nx')
      ? NX
      : argumentIs(args, i, 'xx')
        ? XX
        : argumentIs(args, i, 'gt')
          ? GT
          : argumentIs(args, i, 'lt')
            ? LT
            : 0;
    if (flag === 0) return reply.error(`ERR Unsupported option ${argumentText(args, i).split('\0')[0]}`);
    flags |= flag;
  }
  if ((flags & NX) !== 0 && (flags & ~NX) !== 0) {
    return reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
  }
  if ((flags & GT) !== 0 && (flags & LT) !== 0) {
    return reply.error('ERR GT and LT options at the same time are not compatible');
  }
  const seconds = argumentInteger(args, 2);
  if (Number.isNaN(seconds)) return reply.error(NOT_AN_INTEGER);
  const atMs = endOf(keys, args, 2, seconds, 1000);
  if (atMs === undefined) return reply.error("ERR invalid expire time in 'expire' command");
  const entry = find(keys, args, 1);
  if (entry === undefined) return reply.integer(0);
  const old = entry.expiresAtMs;
  const isRefused =
    ((flags & NX) !== 0 && old !== Infinity) ||
    ((flags & XX) !== 0 && old === Infinity) ||
    ((flags & GT) !== 0 && atMs <= old) ||
    ((flags & LT) !== 0 && atMs >= old);
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
  else if (typeof entry.expiresAtMs === 'number')
    reply.integer(Math.floor((entry.expiresAtMs - keys.host.nowMs() + 500) / 1000));
  else
    reply.integerText(
      digits,
      Buffer.from(digits.buffer).write(
        String((entry.expiresAtMs - BigInt(Math.floor(keys.host.nowMs())) + 500n) / 1000n), 'latin1',
      ),
    );
};
