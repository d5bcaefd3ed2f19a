/** Makes streams where there are none, and looks what they take. */
import { checkInteger, checkOneOf, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import type { Nats } from './bridge.js';
import { jetStreamCode, NO_STREAM, refusedBy } from './failures.js';
import type { NatsLink } from './link.js';
import { linkOf } from './nats.js';
import { checkBrokerName, checkFilter, mayTakeBuckets } from './subjects.js';

/** Options of `ensureStream`. */
export interface NatsStreamOptions {
  /** 1 to 200 letters, digits, '_' and '-'. */
  readonly name: string;
  /** The subjects that it stores: ['orders.>']. */
  readonly subjects: readonly string[];
  /** What happens to acknowledged messages: kept up to the limits (default), or deleted ('workqueue', 'interest'). */
  readonly keeps?: 'limits' | 'workqueue' | 'interest';
  /** Most messages and bytes: 1 to 2^53 - 1. Without them the disk is the limit. */
  readonly mostMessages?: number;
  /** Most bytes that it keeps: 1 to 2^53 - 1. */
  readonly mostBytes?: number;
  /**
   * A full stream refuses new messages, so that publishers wait (default), or deletes the 'oldest', read or not. The
   * two bounds above say when it is full.
   */
  readonly whenFull?: 'refuse' | 'oldest';
  /** How long it recognises identifiers and stores each once: 100 to 2^53 - 1 ms, default 120,000. */
  readonly duplicatesMs?: number;
  /** How many brokers of the cluster have it: 1 to 5, default 1. */
  readonly replicas?: number;
  /** Default 'file'. */
  readonly storage?: 'file' | 'memory';
}

const OPTIONS = [
  'name', 'subjects', 'keeps', 'mostMessages', 'mostBytes', 'whenFull', 'duplicatesMs', 'replicas', 'storage',
];

/**
 * Makes a stream, or brings the one of that name to these options. Resolves when the broker has it; while its cluster
 * has no leader it is tried for `answerMs`. Rejects with ERR_PERCORE_BROKER_REFUSED, for options that cannot be changed
 * as well, and ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     await ensureStream(nats, { name: 'ORDERS', subjects: ['orders.>'], keeps: 'workqueue', mostMessages: 1e6 });
 */
export async function ensureStream(nats: Nats, options: NatsStreamOptions): Promise<void> {
  const link = linkOf(nats);
  if (options === undefined) throw invalidArgument('options', options, 'an object with name and subjects');
  const given = checkOptions('options', options, OPTIONS);
  const name = checkBrokerName('name', given.name);
  if (!Array.isArray(given.subjects) || given.subjects.length === 0) {
    throw invalidArgument('subjects', given.subjects, "an array of subjects, such as ['orders.>']");
  }
  for (const subject of given.subjects) checkFilter('subjects', subject);
  const limit = (argument: string, value: number | undefined): number =>
    value === undefined ? -1 : checkInteger(argument, value, 1, Number.MAX_SAFE_INTEGER);
  const whenFull = checkOneOf('whenFull', given.whenFull ?? 'refuse', ['refuse', 'oldest']);
  const config = {
    name, subjects: given.subjects,
    retention: checkOneOf('keeps', given.keeps ?? 'limits', ['limits', 'workqueue', 'interest']),
    max_msgs: limit('mostMessages', given.mostMessages),
    max_bytes: limit('mostBytes', given.mostBytes),
    discard: whenFull === 'refuse' ? 'new' : 'old',
    duplicate_window:
      checkInteger('duplicatesMs', given.duplicatesMs ?? 120_000, 100, Number.MAX_SAFE_INTEGER) * 1e6,
    num_replicas: checkInteger('replicas', given.replicas ?? 1, 1, 5),
    storage: checkOneOf('storage', given.storage ?? 'file', ['file', 'memory']),
  };
  const { streams } = link.manager;
  try {
    await link.patiently(async () => {
      const known = await streams.info(name).catch((error: unknown) => {
        if (jetStreamCode(error) === NO_STREAM) return undefined;
        throw error;
      });
      await (known === undefined ? streams.add(config) : streams.update(name, config));
    });
  } catch (error) {
    throw refusedBy(error, `make stream "${name}"`, name);
  }
}

/**
 * Rejects unless the stream is there and stores something of what publishers send below `subject`: otherwise nothing
 * would ever come. A mirror of another stream has no subjects of its own, and is believed.
 */
export async function checkTakes(link: NatsLink, stream: string, subject: string, what: string): Promise<void> {
  const { config } = await link.patiently(() => link.manager.streams.info(stream)).catch((error: unknown) => {
    throw refusedBy(error, what, stream);
  });
  const { subjects = [] } = config;
  if (subjects.length === 0 || subjects.some((filter) => mayTakeBuckets(filter, subject))) return;
  throw new PercoreError(
    'ERR_PERCORE_BROKER_REFUSED',
    `cannot ${what}: stream "${stream}" stores ${subjects.join(', ')}, and so nothing of "${subject}"; add `
      + `"${subject}.>" to its subjects by ensureStream(…)`,
    { argument: 'subject', value: subject },
  );
}
