/**
 * The command line of the load balancer, checked as a whole before anything starts.
 *
 * `parseArgs` only cuts the arguments into tokens here. Its own strict mode is not used, because its messages
 * name neither the value nor what is allowed, and run over several lines.
 */

import { parseArgs } from 'node:util';
import type { BrokerPlace } from './broker.js';

export const IDLE_STRATEGIES = ['spin', 'backoff', 'park', 'adaptive'] as const;
export type IdleStrategyName = (typeof IDLE_STRATEGIES)[number];
export const DISCIPLINES = ['strict', 'roundRobin', 'weighted', 'shares', 'deadline'] as const;
export type DisciplineName = (typeof DISCIPLINES)[number];
export const OBSERVATIONS = ['page', 'figures', 'bounds'] as const;
export type Observation = (typeof OBSERVATIONS)[number];

export interface Options {
  /** Where lines arrive, if not by `isStdin` or `file`. 0 takes any free port. */
  readonly port: number;
  /** Where outputs connect. 0 takes any free port. */
  readonly outputPort: number;
  readonly host: string;
  readonly isStdin: boolean;
  readonly file: string | undefined;
  /** A stream of a broker from which lines come, and one to which results go. */
  readonly from: BrokerPlace | undefined;
  readonly to: BrokerPlace | undefined;
  /** The program feeds and reads itself, to be looked at. */
  readonly isDemo: boolean;
  readonly isRaw: boolean;
  /** From 1. */
  readonly keyField: number;
  readonly urgent: RegExp | undefined;
  /** Extra work a line, in microseconds, which may be a fraction. */
  readonly workUs: number;
  readonly isJson: boolean;
  readonly reactors: number | 'auto';
  /** How much a slow output may leave unread. */
  readonly outputBacklogBytes: number;
  readonly idle: IdleStrategyName;
  readonly discipline: DisciplineName;
  /** How long SIGINT and SIGTERM leave for working and handing out what was read. */
  readonly drainMs: number;
  /** The reactor that ends by force, and after how many lines; undefined: none. */
  readonly die: { readonly reactor: number; readonly afterLines: number } | undefined;
  /** Buckets move from busy reactors to idle ones. */
  readonly isRebalanced: boolean;
  /** What is shown to `percore top`: the counters; figures of tasks too; bounds besides. Undefined: nothing. */
  readonly observe: Observation | undefined;
  /** Print `usage` and stop; everything else then has its default. */
  readonly isHelp: boolean;
}

/** The command line is wrong. The message is one line that names the option, the value and what is allowed. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE';
  override readonly name = 'UsageError';
}

const DEFAULTS: Options = {
  port: 7411,
  outputPort: 7412,
  host: '127.0.0.1',
  isStdin: false,
  file: undefined,
  from: undefined,
  to: undefined,
  isDemo: false,
  isRaw: false,
  keyField: 1,
  urgent: undefined,
  workUs: 0,
  isJson: false,
  reactors: 'auto',
  outputBacklogBytes: 16 * 1024 * 1024,
  idle: 'adaptive',
  discipline: 'strict',
  drainMs: 8000,
  die: undefined,
  isRebalanced: false,
  observe: undefined,
  isHelp: false,
};

const MAX_PORT = 65_535;
/** What one runtime takes. */
const MAX_REACTORS = 255;
const MAX_KEY_FIELD = 65_536;
const MAX_WORK_US = 1_000_000;
const MAX_BACKLOG_BYTES = 1024 * 1024 * 1024;
const MAX_DRAIN_MS = 3_600_000;

export const usage = `Balances lines over reactors. A line's key chooses its reactor, its band how soon it is worked.

usage: npm start -- [options]

A line is "<band 0-7> <key> <payload>"; a result is "<seq> <reactor> <band> <key> <count> <crc>".

input (one of)
  --port N                  listen for lines on this TCP port (default ${DEFAULTS.port}; 0: any free port)
  --stdin                   read lines from standard input
  --file PATH               read lines from a file
  --from nats://HOST:PORT/NAME
                            read lines from the stream NAME of a broker, which is made where there is none
  --demo                    listen, and send itself a flood of band 1 and 100 lines of band 6 a second

lines
  --raw                     take any text as a line: band 6 if it is urgent, else 1
  --key-field N             with --raw: the whitespace-separated field that is the key (default ${DEFAULTS.keyField})
  --urgent REGEX            with --raw: a line is urgent if it matches

output
  --output-port N           serve results on this TCP port (default ${DEFAULTS.outputPort}; 0: any free port)
  --output-backlog-bytes N  how much an output may leave unread, beside what the kernel and one send
                            of 128 KiB hold (default ${DEFAULTS.outputBacklogBytes})
  --to nats://HOST:PORT/NAME
                            store results in the stream NAME of a broker as well
  --json                    print figures as JSON

running
  --host ADDRESS            address of both ports (default ${DEFAULTS.host})
  --reactors N|auto         how many reactors (default ${DEFAULTS.reactors})
  --rebalance               move keys from busy reactors to idle ones while it runs
  --work-us N               extra work for each line in microseconds, a fraction is allowed (default ${DEFAULTS.workUs})
  --idle STRATEGY           ${IDLE_STRATEGIES.join(', ')} (default ${DEFAULTS.idle})
  --discipline NAME         ${DISCIPLINES.join(', ')} (default ${DEFAULTS.discipline})
  --observe WHAT            ${OBSERVATIONS.join(', ')}: show counters to "percore top", figures of tasks, bounds
  --drain-ms N              after SIGINT or SIGTERM, work what was read for so long (default ${DEFAULTS.drainMs})
  --die N:LINES             reactor N ends by force after so many lines: to see what a death does
  -h, --help                show this
`;

/** One entry an option. Those without a value are claims; the others turn their text into the value, or throw. */
const FLAGS = {
  stdin: 'isStdin', demo: 'isDemo', raw: 'isRaw', json: 'isJson', rebalance: 'isRebalanced', help: 'isHelp',
} as const;
const VALUES: Record<string, (name: string, text: string) => Partial<Options>> = {
  'port': (name, text) => ({ port: integer(name, text, 0, MAX_PORT) }),
  'output-port': (name, text) => ({ outputPort: integer(name, text, 0, MAX_PORT) }),
  'host': (name, text) => ({ host: nonEmpty(name, text) }),
  'file': (name, text) => ({ file: nonEmpty(name, text) }),
  'from': (name, text) => ({ from: brokerPlace(name, text) }),
  'to': (name, text) => ({ to: brokerPlace(name, text) }),
  'key-field': (name, text) => ({ keyField: integer(name, text, 1, MAX_KEY_FIELD) }),
  'urgent': (name, text) => ({ urgent: regularExpression(name, text) }),
  'work-us': (name, text) => ({ workUs: decimal(name, text, MAX_WORK_US) }),
  'reactors': (name, text) => ({ reactors: reactorCount(name, text) }),
  'output-backlog-bytes': (name, text) => ({ outputBacklogBytes: integer(name, text, 1, MAX_BACKLOG_BYTES) }),
  'idle': (name, text) => ({ idle: oneOf(name, text, IDLE_STRATEGIES) }),
  'discipline': (name, text) => ({ discipline: oneOf(name, text, DISCIPLINES) }),
  'observe': (name, text) => ({ observe: oneOf(name, text, OBSERVATIONS) }),
  'drain-ms': (name, text) => ({ drainMs: integer(name, text, 0, MAX_DRAIN_MS) }),
  'die': (name, text) => ({ die: death(name, text) }),
};
/** Any text is allowed here, so a forgotten value would swallow the next option without an error. */
const TEXT_OPTIONS = new Set(['host', 'file', 'urgent', 'from', 'to']);

/** `argv` is without the program and script. The last of a repeated option counts. Throws `UsageError`. */
export function parseOptions(argv: string[]): Options {
  const { tokens } = parseArgs({
    args: argv,
    strict: false,
    tokens: true,
    options: {
      ...Object.fromEntries(Object.keys(FLAGS).map((name) => [name, { type: 'boolean' as const }])),
      ...Object.fromEntries(Object.keys(VALUES).map((name) => [name, { type: 'string' as const }])),
      help: { type: 'boolean', short: 'h' },
    },
  });
  const optionTokens = tokens.filter((token) => token.kind === 'option');
  if (optionTokens.some((token) => token.name === 'help')) return { ...DEFAULTS, isHelp: true };

  const given = new Set<string>();
  let options = { ...DEFAULTS };
  for (const token of tokens) {
    if (token.kind === 'positional') {
      throw new UsageError(`unexpected argument ${quoted(token.value)}, allowed are only options, which --help lists`);
    }
    if (token.kind === 'option') {
      options = { ...options, ...parsed(token.name, token.rawName, token.value, token.inlineValue === true) };
      given.add(token.name);
    }
  }
  checkTogether(options, given);
  return options;
}

function parsed(name: string, rawName: string, value: string | undefined, isInline: boolean): Partial<Options> {
  if (Object.hasOwn(FLAGS, name)) {
    if (value !== undefined) throw new UsageError(`--${name} has the value ${quoted(value)}, but no value is allowed`);
    return { [FLAGS[name as keyof typeof FLAGS]]: true };
  }
  if (!Object.hasOwn(VALUES, name)) {
    const withValue = value === undefined ? '' : ` with the value ${quoted(value)}`;
    throw new UsageError(`unknown option ${quoted(rawName)}${withValue}, allowed are those which --help lists`);
  }
  if (value === undefined) throw new UsageError(`--${name} has no value, but needs one, as --help describes`);
  if (!isInline && TEXT_OPTIONS.has(name) && value.startsWith('-')) {
    const advice = `if it is the value, join them as --${name}=VALUE`;
    throw new UsageError(`--${name} is followed by ${quoted(value)}, which looks like an option; ${advice}`);
  }
  return VALUES[name](name, value);
}

function checkTogether(options: Options, given: Set<string>): void {
  if (options.isStdin && options.file !== undefined) {
    throw new UsageError(`--stdin and --file ${quoted(options.file)} are both given, but only one input is allowed`);
  }
  if (options.from !== undefined && (options.isStdin || options.file !== undefined || options.isDemo)) {
    throw new UsageError('--from is given beside --stdin, --file or --demo, but only one input is allowed');
  }
  const { from, to } = options;
  if (from !== undefined && from.server === to?.server && from.name === to.name) {
    throw new UsageError(`--from and --to are both ${quoted(from.name)}, but must differ`);
  }
  if (!options.isRaw && given.has('key-field')) {
    throw new UsageError(`--key-field ${options.keyField} is only allowed with --raw`);
  }
  if (!options.isRaw && options.urgent !== undefined) {
    throw new UsageError(`--urgent ${quoted(options.urgent.source)} is only allowed with --raw`);
  }
  if (options.isDemo && (options.isStdin || options.file !== undefined || options.isRaw)) {
    throw new UsageError(
      '--demo sends lines of its own over the input port, so --stdin, --file and --raw are not allowed',
    );
  }
  const listensForLines = !options.isStdin && options.file === undefined && options.from === undefined;
  if (listensForLines && options.port !== 0 && options.port === options.outputPort) {
    throw new UsageError(`--port and --output-port are both ${options.port}, but must differ`);
  }
}

function integer(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  throw notAllowed(name, text, `whole numbers from ${low} to ${high}`);
}

function decimal(name: string, text: string, high: number): number {
  const value = Number(text);
  if (/^(\d+\.?\d*|\.\d+)$/.test(text) && value <= high) return value;
  throw notAllowed(name, text, `numbers from 0 to ${high}, such as 2.5`);
}

function brokerPlace(name: string, text: string): BrokerPlace {
  const [, server, stream] = /^(nats:\/\/[^\s/]+)\/([A-Za-z0-9_-]{1,64})$/.exec(text) ?? [];
  if (server !== undefined && stream !== undefined) return { server, name: stream };
  const shown = text.replace(/\/\/.*@/s, '//…@');
  throw notAllowed(name, shown, 'addresses such as nats://127.0.0.1:4222/lines, with the name of a stream at the end');
}

function reactorCount(name: string, text: string): number | 'auto' {
  if (text === 'auto') return text;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_REACTORS) return value;
  throw notAllowed(name, text, `auto and whole numbers from 1 to ${MAX_REACTORS}`);
}

function death(name: string, text: string): { reactor: number; afterLines: number } {
  const [, reactor, afterLines] = /^(\d{1,3}):(\d{1,15})$/.exec(text) ?? [];
  if (reactor !== undefined && afterLines !== undefined) {
    return { reactor: Number(reactor), afterLines: Number(afterLines) };
  }
  throw notAllowed(name, text, 'a reactor and a number of lines, such as 1:1000');
}

function oneOf<Word extends string>(name: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  throw notAllowed(name, text, words.join(', '));
}

function nonEmpty(name: string, text: string): string {
  if (text !== '') return text;
  throw notAllowed(name, text, 'any text that is not empty');
}

function regularExpression(name: string, text: string): RegExp {
  if (text === '') throw notAllowed(name, text, 'regular expressions that are not empty');
  try {
    return new RegExp(text);
  } catch (error) {
    // "Invalid regular expression: /(/: Unterminated group": the words behind the last colon say what is wrong.
    const why = (error as SyntaxError).message.split(': ').at(-1);
    throw notAllowed(name, text, `regular expressions of JavaScript (${why})`);
  }
}

function notAllowed(name: string, text: string, allowed: string): UsageError {
  return new UsageError(`--${name} is ${quoted(text)}, allowed are ${allowed}`);
}

/** Also keeps the message on one line when the value is not. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
