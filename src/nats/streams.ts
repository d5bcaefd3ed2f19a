/** Makes streams where there are none, and looks what they take. */
import { checkInteger, checkOneOf, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import type { Nats } from './bridge.js';
import { jetStreamCode, NO_STREAM } from './failures.js';
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
  /** How long it recognises identifiers and stores each once: 100 to 9,223,372,036,854 ms, default 120,000. */
  readonly duplicatesMs?: number;
  /** How many brokers of the cluster have it: 1 to 5, default 1. */
  readonly replicas?: number;
  /** Default 'file'. */
  readonly storage?: 'file' | 'memory';
  /** What happens to a stream of that name that is there: it is 'changed' to these options (default), or 'kept'. */
  readonly existing?: 'changed' | 'kept';
}

const OPTIONS = [
  'name', 'subjects', 'keeps', 'mostMessages', 'mostBytes', 'whenFull', 'duplicatesMs', 'replicas', 'storage',
  'existing',
];
/** The broker counts nanoseconds, in 64 bits. */
const MOST_DUPLICATES_MS = 9_223_372_036_854;

/**
 * Makes a stream, or brings the one of that name to these options; those that are left out stay there as they are.
 * Resolves when the broker has it; while its cluster has no leader it is tried for `answerMs`. Rejects with
 * ERR_PERCORE_BROKER_REFUSED, for options that cannot be changed as well, and ERR_PERCORE_INVALID_ARGUMENT.
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
  const existing = checkOneOf('existing', given.existing ?? 'changed', ['changed', 'kept']);
  const wanted = configOf(given);
  const { streams } = link.manager;
  try {
    await link.patiently(async () => {
      const known = await streams.info(name).catch((error: unknown) => {
        if (jetStreamCode(error) === NO_STREAM) return undefined;
        throw error;
      });
      if (known === undefined) await streams.add({ ...configOf(DEFAULTS), ...wanted });
      else if (existing === 'changed') await streams.update(name, wanted);
    });
  } catch (error) {
    throw link.refusal(error, `make stream "${name}"`, name);
  }
}

const DEFAULTS: Partial<NatsStreamOptions> = {
  keeps: 'limits', whenFull: 'refuse', duplicatesMs: 120_000, replicas: 1, storage: 'file',
};

/** What the broker calls the options that are given. */
function configOf(given: Partial<NatsStreamOptions>): object {
  const { name, subjects, keeps, mostMessages, mostBytes, whenFull, duplicatesMs, replicas, storage } = given;
  const limit = (argument: string, value: number): number =>
    checkInteger(argument, value, 1, Number.MAX_SAFE_INTEGER);
  const window = (value: number): number => checkInteger('duplicatesMs', value, 100, MOST_DUPLICATES_MS) * 1e6;
  return {
    ...(name === undefined ? {} : { name, subjects }),
    ...(keeps === undefined ? {} : { retention: checkOneOf('keeps', keeps, ['limits', 'workqueue', 'interest']) }),
    ...(mostMessages === undefined ? {} : { max_msgs: limit('mostMessages', mostMessages) }),
    ...(mostBytes === undefined ? {} : { max_bytes: limit('mostBytes', mostBytes) }),
    ...(whenFull === undefined ? {} : { discard: DISCARDS[checkOneOf('whenFull', whenFull, ['refuse', 'oldest'])] }),
    ...(duplicatesMs === undefined ? {} : { duplicate_window: window(duplicatesMs) }),
    ...(replicas === undefined ? {} : { num_replicas: checkInteger('replicas', replicas, 1, 5) }),
    ...(storage === undefined ? {} : { storage: checkOneOf('storage', storage, ['file', 'memory']) }),
  };
}

const DISCARDS = { refuse: 'new', oldest: 'old' };

/**
 * Rejects unless the stream is there and stores something of what publishers send below `subject`: otherwise nothing
 * would ever come. A mirror of another stream has no subjects of its own, and is believed.
 */
export async function checkTakes(link: NatsLink, stream: string, subject: string, what: string): Promise<void> {
  const { config } = await link.patiently(() => link.manager.streams.info(stream)).catch((error: unknown) => {
    throw link.refusal(error, what, stream);
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
