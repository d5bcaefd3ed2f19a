/**
 * Every command: its name, how many arguments it takes, where its keys stand, and who runs it. Found by the bytes of
 * its name, without a string:
 *
 *     "GeT" --length and two letters--> one of 64 places --> the few commands there, compared byte by byte
 */
import { argumentText, isWord, type Arguments } from './arguments.js';
import * as collections from './collection-commands.js';
import * as data from './data-commands.js';
import type { DataStep } from './key-steps.js';

/** Where a command runs. */
export const Route = {
  /** In the reactor that has the connection. */
  CONNECTION: 0,
  /** Where its only key lives. */
  KEY: 1,
  /** Where its keys live: taken apart, and the replies put together. */
  KEYS: 2,
  /** In every reactor, and the integers of the replies are added. */
  EVERYWHERE: 3,
} as const;

export interface Command {
  /** Lower case. */
  readonly name: string;
  /** How many arguments it takes, its name included; a negative number means at least as many. */
  readonly arity: number;
  readonly route: number;
  readonly isWrite: boolean;
  /** From one key to the next; 0: it has no key. */
  readonly keyStep: number;
  /** Keys and values (or fields and values) in pairs from this argument on; 0: no. */
  readonly pairsFrom: number;
  /** Answers OK wherever its shares were worked; the others answer an integer, which is added, or MGET's values. */
  readonly isOk: boolean;
  readonly step: DataStep | undefined;
  /** Its place in `commands`, by which reactors name it to each other. */
  readonly index: number;
}

export const commands: Command[] = [];

function add(
  name: string, arity: number, route: number,
  options: { step?: DataStep; isWrite?: boolean; isOk?: boolean; keyStep?: number; pairsFrom?: number } = {},
): Command {
  const hasKey = route === Route.KEY || route === Route.KEYS;
  const { isWrite = false, isOk = false, keyStep = hasKey ? 1 : 0, pairsFrom = 0, step } = options;
  const command: Command = { name, arity, route, isWrite, isOk, keyStep, pairsFrom, step, index: commands.length };
  commands.push(command);
  return command;
}

add('get', 2, Route.KEY, { step: data.get });
add('set', -3, Route.KEY, { step: data.set, isWrite: true });
add('incr', 2, Route.KEY, { step: data.incr, isWrite: true });
add('decr', 2, Route.KEY, { step: data.decr, isWrite: true });
add('incrby', 3, Route.KEY, { step: data.incrBy, isWrite: true });
add('decrby', 3, Route.KEY, { step: data.decrBy, isWrite: true });
add('expire', -3, Route.KEY, { step: data.expire, isWrite: true });
add('ttl', 2, Route.KEY, { step: data.ttl });
add('lpush', -3, Route.KEY, { step: collections.lpush, isWrite: true });
add('lpop', -2, Route.KEY, { step: collections.lpop, isWrite: true });
add('lrange', 4, Route.KEY, { step: collections.lrange });
add('hset', -4, Route.KEY, { step: collections.hset, isWrite: true, pairsFrom: 2 });
add('hget', 3, Route.KEY, { step: collections.hget });
export const DEL = add('del', -2, Route.KEYS, { step: data.del, isWrite: true });
export const MGET = add('mget', -2, Route.KEYS, { step: data.mget });
export const MSET = add('mset', -3, Route.KEYS, {
  step: data.mset, isWrite: true, isOk: true, keyStep: 2, pairsFrom: 1,
});
export const PUBLISH = add('publish', 3, Route.EVERYWHERE);
add('flushall', -1, Route.EVERYWHERE, { step: data.flush, isWrite: true, isOk: true });
add('flushdb', -1, Route.EVERYWHERE, { step: data.flush, isWrite: true, isOk: true });
add('dbsize', 1, Route.EVERYWHERE, { step: data.dbSize });
export const PING = add('ping', -1, Route.CONNECTION);
export const ECHO = add('echo', 2, Route.CONNECTION);
export const SUBSCRIBE = add('subscribe', -2, Route.CONNECTION);
export const UNSUBSCRIBE = add('unsubscribe', -1, Route.CONNECTION);
export const INFO = add('info', -1, Route.CONNECTION);
export const COMMAND_ = add('command', -1, Route.CONNECTION);
export const CONFIG = add('config', -2, Route.CONNECTION);
export const HELLO = add('hello', -1, Route.CONNECTION);
export const AUTH = add('auth', -2, Route.CONNECTION);
export const SELECT = add('select', 2, Route.CONNECTION);
export const CLIENT = add('client', -2, Route.CONNECTION);
export const QUIT = add('quit', -1, Route.CONNECTION);

const PLACES = 64;
const places: Command[][] = Array.from({ length: PLACES }, () => []);
const placeOf = (length: number, first: number, last: number): number =>
  (length * 7 + (first & 31) * 3 + (last & 31) * 5) & (PLACES - 1);
for (const command of commands) {
  places[
    placeOf(command.name.length, command.name.charCodeAt(0), command.name.charCodeAt(command.name.length - 1))
  ]!.push(command);
}

/** The command of argument 0, in any case. */
export function findCommand(args: Arguments): Command | undefined {
  const { bytes } = args;
  const start = args.starts[0]!;
  const end = args.ends[0]!;
  if (start === end) return undefined;
  const place = places[placeOf(end - start, bytes[start]!, bytes[end - 1]!)]!;
  for (let i = 0; i < place.length; i++) if (isWord(bytes, start, end, place[i]!.name)) return place[i];
  return undefined;
}

/** True when the command takes this number of arguments. */
export function hasRightCount(command: Command, count: number): boolean {
  return (
    (command.arity > 0 ? count === command.arity : count >= -command.arity) &&
    (command.pairsFrom === 0 || (count - command.pairsFrom) % 2 === 0)
  );
}

/** As redis-server says it: at most 128 characters of the name and of the arguments, up to a NUL. */
export function unknownCommand(args: Arguments): string {
  const text = (index: number): string => argumentText(args, index).split('\0')[0]!;
  let words = '';
  for (let i = 1; i < args.count && words.length < 128; i++) words += `'${text(i).slice(0, 128 - words.length)}' `;
  return `ERR unknown command '${text(0).slice(0, 128)}', with args beginning with: ${words}`;
}
