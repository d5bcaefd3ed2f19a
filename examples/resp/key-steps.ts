/** What the commands on keys share: how they find a key, and the errors that redis-server has for all of them. */
import type { Arguments } from './arguments.js';
import type { Entry, Keyspace } from './keyspace.js';
import type { ReplyWriter } from './reply-writer.js';

/** Works a command on one keyspace and writes its reply. */
export type DataStep = (args: Arguments, reply: ReplyWriter, keys: Keyspace) => void;

export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';
export const SYNTAX_ERROR = 'ERR syntax error';
export const MUST_BE_POSITIVE = 'ERR value is out of range, must be positive';

/** The living entry of the key that is argument `index`. */
export const find = (keys: Keyspace, args: Arguments, index: number): Entry | undefined =>
  keys.find(args.bytes, args.starts[index]!, args.ends[index]!);

/** `find` for a read that INFO counts. */
export function lookUp(keys: Keyspace, args: Arguments, index: number): Entry | undefined {
  const entry = find(keys, args, index);
  if (entry === undefined) keys.misses++;
  else keys.hits++;
  return entry;
}
