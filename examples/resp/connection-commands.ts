/** The commands that need no key: about the connection, its subscriptions, and the server. */
import { argumentIs, argumentText, type Arguments } from './arguments.js';
import { COMMAND_, CONFIG, ECHO, INFO, PING, Route, SUBSCRIBE, UNSUBSCRIBE, commands, type Command } from './command-table.js';
import { writeInfo } from './info.js';
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
  const channels = args.count === 1 ? [...session.channels] : Array.from({ length: args.count - 1 }, (_, i) => argumentText(args, i + 1));
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

/** CONFIG GET pattern ...: what redis-cli and redis-benchmark ask for, and our limits under their names in redis.conf. */
function config(session: Session, args: Arguments, reply: ReplyWriter): void {
  if (!argumentIs(args, 1, 'get')) return reply.error(`ERR unknown subcommand '${argumentText(args, 1).slice(0, 128)}'. Try CONFIG HELP.`);
  if (args.count < 3) return reply.error("ERR wrong number of arguments for 'config|get' command");
  const { limits, subscriberBytes } = session.server;
  const settings: Record<string, string> = {
    'save': '',
    'appendonly': 'no',
    'databases': '1',
    'maxmemory': '0',
    'proto-max-bulk-len': String(limits.bulkBytes),
    'client-query-buffer-limit': String(limits.commandBytes),
    'client-output-buffer-limit': `normal 0 0 0 slave 0 0 0 pubsub ${subscriberBytes} ${subscriberBytes} 0`,
  };
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

/** `*` and `?`, without regard to case. */
function globPattern(glob: string): RegExp {
  // Runs of stars are one star: they would make the pattern slow.
  return new RegExp(`^${glob.slice(0, 128).replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*').replace(/\?/g, '.')}$`, 'is');
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
    const names = args.count === 2 ? commands.map(({ name }) => name) : Array.from({ length: args.count - 2 }, (_, i) => argumentText(args, i + 2).toLowerCase());
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
  reply.simple(route === Route.EVERYWHERE || name.endsWith('subscribe') ? 'pubsub' : isWrite ? 'write' : keyStep === 0 ? 'fast' : 'readonly');
  reply.integer(keyStep === 0 ? 0 : 1);
  reply.integer(keyStep === 0 ? 0 : route === Route.KEYS ? -1 : 1);
  reply.integer(keyStep);
  for (let i = 0; i < 4; i++) reply.array(0);
}
