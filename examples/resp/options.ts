/** The command line of the RESP server. */
import { parseArgs } from 'node:util';
import { DEFAULT_LIMITS } from './parser.js';
import { DEFAULT_REPLY_BYTES, DEFAULT_SUBSCRIBER_BYTES } from './server.js';

export interface Options {
  readonly port: number;
  readonly host: string;
  readonly reactors: number | 'auto';
  readonly idle: (typeof IDLE)[number];
  /** Where readiness comes from. Where the kernel refuses io_uring, epoll takes its place. */
  readonly source: (typeof SOURCES)[number];
  readonly bulkBytes: number;
  readonly subscriberBytes: number;
  readonly replyBytes: number;
  /** What keys and texts of each reactor may take; Infinity where nothing is said. */
  readonly memoryBytes: number;
}

/** The command line is wrong; the message names the option, its value and what is allowed. */
export class UsageError extends Error {}

const IDLE = ['adaptive', 'spin', 'park', 'backoff'] as const;
const SOURCES = ['epoll', 'io_uring'] as const;
const DEFAULT_PORT = 6380;

export const usage = `A server for Redis clients: keys are spread over reactors, one a core.

usage: node dist/examples/resp/main.js [options]

  --port N              listen on this TCP port (default ${DEFAULT_PORT}; 0: any free port)
  --host ADDRESS        address to listen on (default 127.0.0.1)
  --reactors N|auto     how many reactors (default auto)
  --idle STRATEGY       ${IDLE.join(', ')} (default adaptive)
  --source SOURCE       ${SOURCES.join(', ')} (default epoll)
  --bulk-bytes N        longest key or value (default ${DEFAULT_LIMITS.bulkBytes})
  --subscriber-bytes N  what a subscriber may leave unread before it is closed (default ${DEFAULT_SUBSCRIBER_BYTES})
  --reply-bytes N       longest reply; a client for which twice that waits is closed (default ${DEFAULT_REPLY_BYTES})
  --memory-bytes N      what keys and texts of each reactor may take (default: no limit)
  -h, --help            show this
`;

/** `argv` is without the program and script; undefined: help was asked. Throws UsageError. */
export function parseOptions(argv: string[]): Options | undefined {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        'port': { type: 'string' },
        'host': { type: 'string' },
        'reactors': { type: 'string' },
        'idle': { type: 'string' },
        'source': { type: 'string' },
        'bulk-bytes': { type: 'string' },
        'subscriber-bytes': { type: 'string' },
        'reply-bytes': { type: 'string' },
        'memory-bytes': { type: 'string' },
        'help': { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values['help'] === true) return undefined;
  const whole = (name: string, otherwise: number, least: number, most: number): number => {
    const text = values[name];
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (!/^\d+$/.test(String(text)) || value < least || value > most) {
      throw new UsageError(`--${name} is ${JSON.stringify(text)}, allowed are whole numbers from ${least} to ${most}`);
    }
    return value;
  };
  const oneOf = <Word extends string>(name: string, words: readonly Word[]): Word => {
    const word = words.find((one) => one === (values[name] ?? words[0]));
    if (word === undefined) {
      throw new UsageError(`--${name} is ${JSON.stringify(values[name])}, allowed are ${words.join(', ')}`);
    }
    return word;
  };
  return {
    port: whole('port', DEFAULT_PORT, 0, 65_535),
    host: String(values['host'] ?? '127.0.0.1'),
    reactors: (values['reactors'] ?? 'auto') === 'auto' ? 'auto' : whole('reactors', 1, 1, 255),
    idle: oneOf('idle', IDLE),
    source: oneOf('source', SOURCES),
    bulkBytes: whole('bulk-bytes', DEFAULT_LIMITS.bulkBytes, 1024, DEFAULT_LIMITS.commandBytes),
    subscriberBytes: whole('subscriber-bytes', DEFAULT_SUBSCRIBER_BYTES, 1024, 2 ** 30),
    replyBytes: whole('reply-bytes', DEFAULT_REPLY_BYTES, 65_536, 2 ** 30),
    memoryBytes: whole('memory-bytes', Infinity, 2 ** 20, Number.MAX_SAFE_INTEGER),
  };
}
