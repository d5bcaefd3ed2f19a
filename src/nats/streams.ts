/** Streams: made where there are none. */
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import type { Nats } from './bridge.js';
import { jetStreamCode, refusedBy } from './failures.js';
import { linkOf } from './nats.js';
import { checkBrokerName, checkFilter } from './subjects.js';

/** Options of `ensureStream`. */
export interface NatsStreamOptions {
  /** 1 to 200 letters, digits, '_' and '-'. */
  readonly name: string;
  /** What it stores: ['orders.>']. */
  readonly subjects: readonly string[];
  /** What becomes of acknowledged messages: kept up to the limits (default), or deleted: 'workqueue', 'interest'. */
  readonly keeps?: 'limits' | 'workqueue' | 'interest';
  /** Most messages and bytes: 1 to 2^53 - 1. Without them the disk is the limit. */
  readonly mostMessages?: number;
  /** Most bytes that it keeps: 1 to 2^53 - 1. */
  readonly mostBytes?: number;
  /**
   * A full stream refuses new messages, so that publishers wait (default), or deletes the 'oldest', read or not. It is
   * full by the two bounds above.
   */
  readonly whenFull?: 'refuse' | 'oldest';
  /** So long it knows identifiers again, and stores what has the same once: 100 to 2^53 - 1 ms, default 120,000. */
  readonly duplicatesMs?: number;
  /** Brokers of the cluster that have it: 1 to 5, default 1. */
  readonly replicas?: number;
  /** Default 'file'. */
  readonly storage?: 'file' | 'memory';
}

const OPTIONS = [
  'name', 'subjects', 'keeps', 'mostMessages', 'mostBytes', 'whenFull', 'duplicatesMs', 'replicas', 'storage',
];
const NO_STREAM = 10059;

/**
 * Makes a stream, or brings the one of that name to these options. Resolves when the broker has it. Rejects with
 * ERR_PERCORE_BROKER_REFUSED, for options that cannot be changed as well, and ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     await ensureStream(nats, { name: 'ORDERS', subjects: ['orders.>'], keeps: 'workqueue', mostMessages: 1e6 });
 */
export async function ensureStream(nats: Nats, options: NatsStreamOptions): Promise<void> {
  const { manager } = linkOf(nats);
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
  try {
    const known = await manager.streams.info(name).catch((error: unknown) => {
      if (jetStreamCode(error) === NO_STREAM) return undefined;
      throw error;
    });
    await (known === undefined ? manager.streams.add(config) : manager.streams.update(name, config));
  } catch (error) {
    throw refusedBy(error, `make stream "${name}"`, name);
  }
}
