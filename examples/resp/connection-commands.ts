/** The commands that need no key: about the connection, its subscriptions, and the server. */
import { argumentInteger, argumentIs, argumentText, type Arguments } from './arguments.js';
import {
  AUTH, CLIENT, COMMAND_, CONFIG, ECHO, HELLO, INFO, PING, Route, SELECT, SUBSCRIBE, UNSUBSCRIBE, commands,
  type Command,
} from './command-table.js';
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './key-steps.js';
import { VERSION, writeInfo } from './info.js';
import type { ReplyWriter } from './reply-writer.js';
import type { Session } from './session.js';

export function connectionCommand(session: Session, command: Command, args: Arguments, reply: ReplyWriter): void {
  switch (command) {
    case PING: return ping(session, args, reply);
    case ECHO: return reply.bulk(args.bytes, args.starts[1]!, args.ends[1]!);
    case SUBSCRIBE: return subscribe(session, args, reply);
    case UNSUBSCRIBE: return unsubscribe(session, args, reply);
    case INFO: return writeInfo(session.server, args, reply);
    case CONFIG: return config(session, args, reply);
    case COMMAND_: return describe(args, reply);
    case HELLO: return hello(session, args, reply);
    case AUTH: return auth(args, reply);
    case SELECT: return select(args, reply);
    case CLIENT: return client(session, args, reply);
    // QUIT.
    default:
      session.quit();
      return reply.ok();
  }
}

function ping(session: Session, args: Arguments, reply: ReplyWriter): void {
  if (args.count > 2) return reply.error("ERR wrong number of arguments for 'ping' command");
  if (session.channels.size !== 0) {
    reply.array(2);
    reply.bulkText('pong');
    if (args.count === 1) return reply.bulkText('');
  } else if (args.count === 1) {
    return reply.pong();
  }
  reply.bulk(args.bytes, args.starts[1]!, args.ends[1]!);
}

function subscribe(session: Session, args: Arguments, reply: ReplyWriter): void {
  for (let i = 1; i < args.count; i++) {
    const channel = argumentText(args, i);
    if (!session.channels.has(channel)) {
      session.channels.add(channel);
      session.server.channels.add(channel, session);
    }
    confirm(reply, 'subscribe', channel, session.channels.size);
  }
}

function unsubscribe(session: Session, args: Arguments, reply: ReplyWriter): void {
  const channels =
    args.count === 1
      ? [...session.channels]
      : Array.from({ length: args.count - 1 }, (_, i) => argumentText(args, i + 1));
  for (const channel of channels) {
    if (session.channels.delete(channel)) session.server.channels.remove(channel, session);
    confirm(reply, 'unsubscribe', channel, session.channels.size);
  }
  if (channels.length === 0) confirm(reply, 'unsubscribe', undefined, 0);
}

function confirm(reply: ReplyWriter, what: string, channel: string | undefined, count: number): void {
  reply.array(3);
  reply.bulkText(what);
  if (channel === undefined) reply.nil();
  else reply.bulkText(channel);
  reply.integer(count);
}

// ---- What client libraries ask by themselves when they connect ----------------------------------------------------

const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';

/**
 * HELLO [2 [AUTH user password] [SETNAME name]]. RESP3 is refused in the words by which clients know to go on with
 * RESP2.
 */
function hello(session: Session, args: Arguments, reply: ReplyWriter): void {
  if (args.count > 1) {
    const version = argumentInteger(args, 1);
    if (Number.isNaN(version)) return reply.error('ERR Protocol version is not an integer or out of range');
    if (version !== 2) return reply.error('NOPROTO unsupported protocol version');
  }
  let name: string | undefined;
  for (let i = 2; i < args.count; i++) {
    if (argumentIs(args, i, 'auth') && i + 2 < args.count) {
      if (argumentText(args, i + 1) !== 'default') return reply.error(WRONG_PASSWORD);
      i += 2;
    } else if (argumentIs(args, i, 'setname') && i + 1 < args.count) {
      name = argumentText(args, ++i);
      if (!isName(name)) return reply.error(BAD_NAME);
    } else {
      return reply.error(`ERR Syntax error in HELLO option '${argumentText(args, i).split('\0')[0]}'`);
    }
  }
  if (name !== undefined) session.name = name;
  reply.array(14);
  for (const [key, value] of [
    ['server', 'redis'], ['version', VERSION], ['proto', 2], ['id', session.id], ['mode', 'standalone'],
    ['role', 'master'],
  ] as const) {
    reply.bulkText(key);
    if (typeof value === 'number') reply.integer(value);
    else reply.bulkText(value);
  }
  reply.bulkText('modules');
  reply.array(0);
}

/** AUTH [user] password: there is only the user `default`, and no password. */
function auth(args: Arguments, reply: ReplyWriter): void {
  if (args.count > 3) reply.error(SYNTAX_ERROR);
  else if (args.count === 2)
    reply.error(
      'ERR AUTH <password> called without any password configured for the default user. ' +
        'Are you sure your configuration is correct?',
    );
  else if (argumentText(args, 1) !== 'default') reply.error(WRONG_PASSWORD);
  else reply.ok();
}

function select(args: Arguments, reply: ReplyWriter): void {
  const database = argumentInteger(args, 1);
  if (Number.isNaN(database)) reply.error(NOT_AN_INTEGER);
  else if (Math.abs(database) > 2 ** 31)
    reply.error('ERR value is out of range, value must between -2147483648 and 2147483647');
  else if (database !== 0) reply.error('ERR DB index is out of range');
  else reply.ok();
}

const BAD_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.';
const isName = (name: string): boolean => /^[!-~]*$/.test(name);

/** CLIENT ID | GETNAME | SETNAME name */
function client(session: Session, args: Arguments, reply: ReplyWriter): void {
  const wrongCount = (subcommand: string): void =>
    reply.error(`ERR wrong number of arguments for 'client|${subcommand}' command`);
  if (argumentIs(args, 1, 'id')) {
    if (args.count !== 2) wrongCount('id');
    else reply.integer(session.id);
  } else if (argumentIs(args, 1, 'getname')) {
    if (args.count !== 2) wrongCount('getname');
    else if (session.name === '') reply.nil();
    else reply.bulkText(session.name);
  } else if (argumentIs(args, 1, 'setname')) {
    if (args.count !== 3) return wrongCount('setname');
    const name = argumentText(args, 2);
    if (!isName(name)) return reply.error(BAD_NAME);
    session.name = name;
    reply.ok();
  } else {
    reply.error(`ERR unknown subcommand '${argumentText(args, 1).slice(0, 128)}'. Try CLIENT HELP.`);
  }
}

/** CONFIG GET pattern ... | SET name value ... */
function config(session: Session, args: Arguments, reply: ReplyWriter): void {
  const { limits, subscriberBytes, memoryBytes, reactors } = session.server;
  // What redis-cli and redis-benchmark ask for, and our limits under their names in redis.conf.
  const settings: Record<string, string> = {
    'save': '',
    'appendonly': 'no',
    'databases': '1',
    'maxmemory': String(memoryBytes === Infinity ? 0 : memoryBytes * reactors),
    'proto-max-bulk-len': String(limits.bulkBytes),
    'client-query-buffer-limit': String(limits.commandBytes),
    'client-output-buffer-limit': `normal 0 0 0 slave 0 0 0 pubsub ${subscriberBytes} ${subscriberBytes} 0`,
  };
  if (argumentIs(args, 1, 'set')) return setConfig(settings, args, reply);
  if (!argumentIs(args, 1, 'get')) {
    return reply.error(`ERR unknown subcommand '${argumentText(args, 1).slice(0, 128)}'. Try CONFIG HELP.`);
  }
  if (args.count < 3) return reply.error("ERR wrong number of arguments for 'config|get' command");
  const found = new Map<string, string>();
  for (let i = 2; i < args.count; i++) {
    const asked = argumentText(args, i);
    const isGlob = /[*?]/.test(asked);
    const pattern = globPattern(asked);
    // A name is answered as it was asked, in upper case or lower.
    for (const name of Object.keys(settings)) if (pattern.test(name)) found.set(isGlob ? name : asked, settings[name]!);
  }
  reply.array(found.size * 2);
  for (const [name, value] of found) {
    reply.bulkText(name);
    reply.bulkText(value);
  }
}

/** Nothing can be changed while it runs; a setting may be set to what it is, as clients do that want to be sure. */
function setConfig(settings: Record<string, string>, args: Arguments, reply: ReplyWriter): void {
  if (args.count < 4) return reply.error("ERR wrong number of arguments for 'config|set' command");
  if (args.count % 2 !== 0) return reply.error(SYNTAX_ERROR);
  const refuse = (name: string, why: string): void =>
    reply.error(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`);
  const names = Array.from({ length: args.count / 2 - 1 }, (_, i) => argumentText(args, 2 + 2 * i));
  const seen = new Set<string>();
  for (const name of names) {
    if (!Object.hasOwn(settings, name.toLowerCase())) {
      return reply.error(`ERR Unknown option or number of arguments for CONFIG SET - '${name}'`);
    }
    if (seen.has(name.toLowerCase())) return refuse(name, 'duplicate parameter');
    seen.add(name.toLowerCase());
  }
  for (const [i, name] of names.entries()) {
    if (settings[name.toLowerCase()] !== argumentText(args, 3 + 2 * i))
      return refuse(name, "can't set immutable config");
  reply.ok();
  }
}

/** `*` and `?`, without regard to case. */
function globPattern(glob: string): RegExp {
  // Runs of stars are one star: they would make the pattern slow.
  return new RegExp(
    `^${glob
      .slice(0, 128)
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*+/g, '.*')
      .replace(/\?/g, '.')}$`,
    'is',
  );
}

/** COMMAND [COUNT | DOCS ... | INFO name ...] */
function describe(args: Arguments, reply: ReplyWriter): void {
  if (args.count === 1) {
    reply.array(commands.length);
    for (const command of commands) describeOne(command, reply);
  } else if (argumentIs(args, 1, 'count') && args.count === 2) {
    reply.integer(commands.length);
  } else if (argumentIs(args, 1, 'docs')) {
    // redis-cli then uses the help it has itself.
    reply.array(0);
  } else if (argumentIs(args, 1, 'info')) {
    const names =
      args.count === 2
        ? commands.map(({ name }) => name)
        : Array.from({ length: args.count - 2 }, (_, i) => argumentText(args, i + 2).toLowerCase());
    reply.array(names.length);
    for (const name of names) {
      const command = commands.find((candidate) => candidate.name === name);
      if (command === undefined) reply.nil();
      else describeOne(command, reply);
    }
  } else {
    reply.error(`ERR unknown subcommand '${argumentText(args, 1).slice(0, 128)}'. Try COMMAND HELP.`);
  }
}

/** Name, arity, flags, first key, last key, step; the four that came with redis 7 are empty. */
function describeOne({ name, arity, isWrite, route, keyStep }: Command, reply: ReplyWriter): void {
  reply.array(10);
  reply.bulkText(name);
  reply.integer(arity);
  reply.array(1);
  reply.simple(
    route === Route.EVERYWHERE || name.endsWith('subscribe')
      ? 'pubsub'
      : isWrite
        ? 'write'
        : keyStep === 0
          ? 'fast'
          : 'readonly',
  );
  reply.integer(keyStep === 0 ? 0 : 1);
  reply.integer(keyStep === 0 ? 0 : route === Route.KEYS ? -1 : 1);
  reply.integer(keyStep);
  for (let i = 0; i < 4; i++) reply.array(0);
}
