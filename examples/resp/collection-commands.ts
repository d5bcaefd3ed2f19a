/** What the commands do that read and write lists and hashes. Like those for texts, they know no connection. */
import { argumentInteger, argumentText } from './arguments.js';
import { MUST_BE_POSITIVE, NOT_AN_INTEGER, WRONG_TYPE, find, lookUp, type DataStep } from './key-steps.js';
import { HASH, LIST } from './keyspace.js';
import { TextDeque } from './text-deque.js';

// ---- Lists --------------------------------------------------------------------------------------------------------

/** The most elements of a list, or fields of a hash, that one fast array or one map holds. */
export const MOST_ELEMENTS = 2 ** 24;
const TOO_MANY = `ERR more than ${MOST_ELEMENTS} elements`;

export const lpush: DataStep = (args, reply, keys) => {
  const found = find(keys, args, 1);
  if (found !== undefined && found.kind !== LIST) return reply.error(WRONG_TYPE);
  if ((found?.list!.length ?? 0) + args.count - 2 > MOST_ELEMENTS) return reply.error(TOO_MANY);
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
  // Removed once it is written: a reply that fails takes nothing away.
  for (let i = 0; i < count; i++) reply.bulkText(list.at(i));
  for (let i = 0; i < count; i++) list.shift();
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

// ---- Hashes -------------------------------------------------------------------------------------------------------

/** The number of arguments has been checked: fields and values in pairs. */
export const hset: DataStep = (args, reply, keys) => {
  const found = find(keys, args, 1);
  if (found !== undefined && found.kind !== HASH) return reply.error(WRONG_TYPE);
  if ((found?.fields!.size ?? 0) + (args.count - 2) / 2 > MOST_ELEMENTS) return reply.error(TOO_MANY);
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
