/**
 * A command console for operators, over telnet or standard input: one line in, an answer's lines out.
 *
 *      bytes -> telnet filter -> lines -> the command of the first word -> its text, lines ended as the terminal likes
 *
 * Commands are answered in order; while one is under way the terminal is not read, so a slow command holds back who
 * typed it and nobody else. What a command throws is answered as text and leaves the console open. There is no login:
 * it listens on loopback unless told otherwise, and whoever reaches it can run every command.
 */
import { checkBoolean, checkFunction, checkInteger, checkOptions, invalidArgument, messageOf } from '../errors.js';
import type { Connection } from './connection.js';
import { ConsoleSession, type Terminal } from './console-session.js';
import { TelnetFilter } from './console-telnet.js';
import { coreOf, type Io } from './io.js';
import type { Listener } from './listener.js';

export interface ConsoleOptions {
  /** TCP port, 0 for a free one: see `console.port`. One of `port`, `path` and `stdin` is needed. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** A Unix socket in place of a port: its file's rights then say who may. */
  path?: string;
  /** Reads standard input; answers go to `output`. */
  stdin?: boolean;
  /** Where answers to standard input go. Default process.stdout. */
  output?: (text: string) => void;
  /** Said to each who connects. Default none. */
  greeting?: string;
  /** Before each line. Default none. */
  prompt?: string;
  /** Most users at a time: whoever connects beyond that is told so and disconnected. 1 to 1024, default 16. */
  maxSessions?: number;
  /** Bytes of the longest line: 1 to 65,536, default 4096. */
  maxLineBytes?: number;
  /** Band in which commands run, 0 to 7. Default 3. */
  priority?: number;
}

/**
 * Given the words behind the command's name and the whole line. What it returns is the answer; nothing or '' means
 * none.
 */
export type CommandHandler = (words: string[], line: string) => CommandAnswer | Promise<CommandAnswer>;

/** One line, several, or none. */
export type CommandAnswer = string | readonly string[] | void;

const OPTIONS = [
  'port', 'host', 'path', 'stdin', 'output', 'greeting', 'prompt', 'maxSessions', 'maxLineBytes', 'priority',
] as const;

/** Bytes read in one step: lines that have been read wait in memory while a command is under way. */
const READ_BYTES = 4096;

/**
 * Commands for operators, over telnet, a Unix socket or standard input. `createConsole` makes it; no other
 * thread may call it.
 *
 *     createConsole(reactor.io, { port: 7001 }).command('pending', 'orders that wait', () => `${orders.size}`);
 *     // $ telnet 127.0.0.1 7001
 */
export class CommandConsole {
  /** The port it listens on; 0 on a path or standard input. */
  readonly port: number;
  readonly #commands = new Map<string, { help: string; run: CommandHandler }>();
  readonly #sessions = new Set<ConsoleSession>();
  readonly #listener: Listener | undefined;
  readonly #options: ConsoleOptions;
  readonly #io: Io;

  constructor(io: Io, given: ConsoleOptions) {
    this.#io = io;
    if (coreOf(io) === undefined) throw invalidArgument('io', io, 'what create() of percore/io returns, or reactor.io');
    const options = this.#options = checkOptions('options', given, OPTIONS);
    checkBoolean('stdin', options.stdin ?? false);
    for (const name of ['greeting', 'prompt'] as const) {
      if (options[name] !== undefined && typeof options[name] !== 'string') {
        throw invalidArgument(name, options[name], 'text');
      }
    }
    const ways = [options.port, options.path, options.stdin].filter((way) => way !== undefined && way !== false);
    if (ways.length !== 1) throw invalidArgument('options', options, 'given one of port, path and stdin');
    const maxSessions = checkInteger('maxSessions', options.maxSessions ?? 16, 1, 1024);
    checkInteger('maxLineBytes', options.maxLineBytes ?? 4096, 1, 65_536);
    if (options.output !== undefined) checkFunction('output', options.output);
    this.command('help', 'what can be asked here', () => this.#help());
    this.command('quit', 'leave', () => undefined);
    const { priority } = options;
    const connectionOptions = { readBytes: READ_BYTES, ...(priority === undefined ? {} : { priority }) };
    if (options.stdin === true) {
      this.port = 0;
      this.#readStandardInput(connectionOptions);
      return;
    }
    const onConnection = (connection: Connection): void => {
      if (this.#sessions.size >= maxSessions) {
        connection.offer(Buffer.from(`error: ${maxSessions} sessions are open already\r\n`));
        connection.end();
      } else {
        this.#serve(connection);
      }
    };
    const host = options.host === undefined ? {} : { host: options.host };
    this.#listener = options.path === undefined
      ? io.listen({ port: options.port!, ...host, ...connectionOptions }, onConnection)
      : io.listen({ path: options.path, ...connectionOptions }, onConnection);
    this.port = this.#listener.port;
  }

  /** Terminals that are open. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Adds a command; a name is one word, and a later one replaces an earlier. */
  command(name: string, help: string, run: CommandHandler): this {
    if (typeof name !== 'string' || !/^\S+$/.test(name)) throw invalidArgument('name', name, 'one word');
    if (typeof help !== 'string') throw invalidArgument('help', help, 'text');
    checkFunction('run', run);
    this.#commands.set(name, { help, run });
    return this;
  }

  /** The answer to one line, in lines. For tests and other terminals; errors are answers. */
  async answer(line: string): Promise<string[]> {
    if (typeof line !== 'string') throw invalidArgument('line', line, 'text');
    const words = line.trim().split(/\s+/);
    const name = words.shift()!;
    if (name === '') return [];
    const command = this.#commands.get(name);
    if (command === undefined) return [`error: there is no command "${name}"; try help`];
    try {
      const answer = await command.run(words, line);
      if (answer === undefined || answer === '') return [];
      return (typeof answer === 'string' ? [answer] : [...answer]).flatMap((text) => String(text).split('\n'));
    } catch (error) {
      return [`error: ${messageOf(error)}`];
    }
  }

  /** Listens no more and closes every session. */
  close(): void {
    this.#listener?.close();
    for (const session of this.#sessions) session.close();
  }

  #help(): string[] {
    const width = Math.max(...[...this.#commands.keys()].map((name) => name.length));
    const sorted = [...this.#commands].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([name, { help }]) => `${name.padEnd(width)}  ${help}`);
  }

  #serve(connection: Connection): void {
    const session = this.#open({
      lineEnd: '\r\n',
      offer: (text) => connection.offer(Buffer.from(text)),
      room: () => connection.room(),
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      end: () => connection.end(),
    }, () => connection.close());
    const telnet = new TelnetFilter();
    // A refusal that finds no room is not sent: the peer then takes the option for not answered, which is no worse.
    connection.onData((bytes) => session.read(telnet.filter(bytes, (answer) => void connection.offer(answer))));
    connection.onEnd(() => session.end());
    connection.onClose(() => void this.#sessions.delete(session));
    session.greet();
  }

  #readStandardInput(options: { readBytes: number; priority?: number }): void {
    const input = this.#io.stdin(options);
    const output = this.#options.output ?? ((text: string) => void process.stdout.write(text));
    const session = this.#open({
      lineEnd: '\n',
      offer: (text) => {
        output(text);
        return 0;
      },
      room: () => Promise.resolve(),
      pause: () => input.pause(),
      resume: () => input.resume(),
      end: () => input.close(),
    }, () => input.close());
    // The stream closes by itself at its end; what was read before is answered all the same.
    input.onData((bytes) => session.read(bytes)).onEnd(() => session.end());
    input.onClose(() => void this.#sessions.delete(session));
    session.greet();
  }

  #open(terminal: Terminal, close: () => void): ConsoleSession {
    const report = (error: unknown): void => coreOf(this.#io)!.report(error, 'a command of a console');
    const session = new ConsoleSession((line) => this.answer(line), terminal, this.#options, close, report);
    this.#sessions.add(session);
    return session;
  }
}

/**
 * Opens a console. Register commands right after: what is typed is answered from the next step on. Throws as
 * `io.listen` does.
 */
export function createConsole(io: Io, options: ConsoleOptions): CommandConsole {
  return new CommandConsole(io, options);
}
