/**
 * A command console for operators, over telnet or standard input: one line in, the lines of an answer out.
 *
 *      bytes -> telnet filter -> lines -> the command of the first word -> its text, lines ended as the terminal likes
 *
 * Commands are answered in order. While one is being answered, the terminal is not read; so a slow command holds back
 * only the user who has typed it. What a command throws is answered as text, and the console stays open. There is no
 * login: the console listens on loopback unless it is told otherwise, and whoever reaches it can run every command.
 */
import { checkBoolean, checkFunction, checkInteger, checkOptions, invalidArgument, messageOf } from '../errors.js';
import type { Connection } from './connection.js';
import { ConsoleSession, type Terminal } from './console-session.js';
import { TelnetFilter } from './console-telnet.js';
import { coreOf, type Io } from './io.js';
import type { Listener } from './listener.js';

/** Options of `createConsole`. */
export interface ConsoleOptions {
  /** The TCP port, or 0 for a free one: see `console.port`. Exactly one of `port`, `path` and `stdin` must be given. */
  port?: number;
  /** The address to listen on. Default 127.0.0.1. */
  host?: string;
  /** The path of a Unix socket in place of a port. The permissions of its file then say who may connect. */
  path?: string;
  /** True to read standard input. Answers go to `output`. */
  stdin?: boolean;
  /** Where the answers to standard input go. Default process.stdout. */
  output?: (text: string) => void;
  /** The text that everybody is greeted with who connects. Default none. */
  greeting?: string;
  /** The text before each line. Default none. */
  prompt?: string;
  /** Most users at a time, 1 to 1,024. Default 16. Whoever connects beyond that is told so and disconnected. */
  maxSessions?: number;
  /** Most bytes in a line: 1 to 65,536. Default 4,096. */
  maxLineBytes?: number;
  /** The band in which commands run, 0 to 7. Default 3. */
  priority?: number;
}

/**
 * Runs a command. It is given the words behind the command's name, and the whole line. What it returns is the answer;
 * nothing or '' means that there is none.
 */
export type CommandHandler = (words: string[], line: string) => CommandAnswer | Promise<CommandAnswer>;

/** One line, several lines, or nothing. */
export type CommandAnswer = string | readonly string[] | void;

const OPTIONS = [
  'port', 'host', 'path', 'stdin', 'output', 'greeting', 'prompt', 'maxSessions', 'maxLineBytes', 'priority',
] as const;

/** Bytes read in one step. It is small, because lines that were read wait in memory while a command is answered. */
const READ_BYTES = 4096;

/**
 * Commands for operators, over telnet, a Unix socket or standard input. `createConsole` makes it; no other thread may
 * call it. Nothing here blocks, apart from what a command does.
 *
 *     createConsole(reactor.io, { port: 7001 }).command('pending', 'orders that wait', () => `${orders.size}`);
 *     // $ telnet 127.0.0.1 7001
 */
export class CommandConsole {
  /** The port that it listens on; 0 for a path or standard input. */
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
    if (ways.length !== 1) {
      throw invalidArgument('options', options, 'an object with exactly one of port, path and stdin');
    }
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

  /** How many terminals are open. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /**
   * Adds a command. Its name is one word; a later command replaces an earlier one of the same name. Throws
   * ERR_PERCORE_INVALID_ARGUMENT.
   */
  command(name: string, help: string, run: CommandHandler): this {
    if (typeof name !== 'string' || !/^\S+$/.test(name)) throw invalidArgument('name', name, 'one word');
    if (typeof help !== 'string') throw invalidArgument('help', help, 'text');
    checkFunction('run', run);
    this.#commands.set(name, { help, run });
    return this;
  }

  /** Answers one line, in lines. For tests and other terminals. An error of the command is an answer as well. */
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

  /** Stops listening and closes every session. */
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
    // If a refusal finds no room, it is not sent. To the peer the option then looks unanswered, which is no worse.
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
    // The stream closes by itself at its end. What was read before is answered all the same.
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
 * Opens a console. Add its commands at once: what is typed is answered from the next step on. Throws as `io.listen`
 * does.
 */
export function createConsole(io: Io, options: ConsoleOptions): CommandConsole {
  return new CommandConsole(io, options);
}
