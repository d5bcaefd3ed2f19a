/** Options of `joinOwners`, what its callbacks are told about a range, and how options are checked. */
import { hostname } from 'node:os';
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { BUCKETS } from '../layout.js';
import type { StepResult } from '../reactor/index.js';
import type { Party } from '../reactor/internal.js';
import type { NatsMessage } from './consumer-types.js';
import { checkConsumer, type ConsumerSettings, type NatsConsumerOptions } from './options.js';
import { checkBrokerName, checkRanges, checkSubject } from './subjects.js';

/** A range of buckets that belongs to this reactor for the epoch that `epoch` names. */
export interface NatsRange {
  /** Its number, 0 to `ranges` less 1. */
  readonly range: number;
  /** Grows each time that the range is taken. What is written to elsewhere may refuse writers with a smaller one. */
  readonly epoch: number;
  /** Its buckets: `buckets` of them from `firstBucket` on. */
  readonly firstBucket: number;
  /** How many buckets it has. */
  readonly buckets: number;
}

/** Options of `joinOwners`. */
export interface NatsOwnersOptions
  extends Pick<NatsConsumerOptions, 'stream' | 'ackWaitMs' | 'tries' | 'priority' | 'class'> {
  /** The same for all that share the work: 1 to 100 letters, digits, '_' and '-'. */
  readonly name: string;
  /** The subject of the publishers: 'orders'. */
  readonly subject: string;
  /** How many ranges the buckets are divided into, as at the publishers: default 64. No more machines can share. */
  readonly ranges?: number;
  /** The name under which others know this reactor. Default: made of the host, the process and the reactor. */
  readonly machine?: string;
  /**
   * For how long the ranges of an owner that gives no sign of life remain its own: 300 to 2^31 - 1 ms, default 10,000.
   * It gives four signs in that time, and runs no step after that time has passed without a sign that the broker has
   * taken.
   */
  readonly leaseMs?: number;
  /**
   * Most asynchronous steps of one range that are under way at once: 1 to 2^20, default 1. Those of one bucket, and so
   * those of one key, run one after the other in any case.
   */
  readonly concurrency?: number;
  /** Most messages of one range that are under way: 1 to 65,536, default 64. */
  readonly mostInFlight?: number;
  /** Brokers of the cluster that have the table of owners: 1 to 5, default 1. */
  readonly replicas?: number;
  /** The range is this reactor's from now on. Its first message comes when the returned promise has resolved. */
  readonly onRangeArrives?: (range: NatsRange) => void | Promise<void>;
  /**
   * The range is no longer this reactor's. Either it was given up after all its messages had run (`isLost` is false),
   * or another reactor has taken it and runs again whatever was not acknowledged.
   */
  readonly onRangeLeaves?: (range: NatsRange, isLost: boolean) => void | Promise<void>;
}

/** Runs for each message of the ranges that this reactor owns. */
export type NatsOwnerStep = (message: NatsMessage, range: NatsRange) => StepResult;

export interface OwnersSettings {
  readonly name: string;
  readonly subject: string;
  readonly ranges: number;
  readonly machine: string;
  readonly leaseMs: number;
  readonly replicas: number;
  readonly consumer: Omit<ConsumerSettings, 'name' | 'subject'>;
  readonly onRangeArrives: NatsOwnersOptions['onRangeArrives'];
  readonly onRangeLeaves: NatsOwnersOptions['onRangeLeaves'];
}

const OPTIONS = [
  'name', 'stream', 'subject', 'ranges', 'machine', 'leaseMs', 'mostInFlight', 'replicas', 'ackWaitMs', 'tries',
  'concurrency', 'priority', 'class', 'onRangeArrives', 'onRangeLeaves',
];

export function checkOwners(options: NatsOwnersOptions, party: Party): OwnersSettings {
  if (options === undefined) throw invalidArgument('options', options, 'an object with name, stream and subject');
  const given = checkOptions('options', options, OPTIONS);
  const { name, subject, ranges, machine, leaseMs, replicas, onRangeArrives, onRangeLeaves, ...rest } = given;
  checkBrokerName('name', name);
  if (name.length > 100) throw invalidArgument('name', name, 'at most 100 letters long');
  if (onRangeArrives !== undefined) checkFunction('onRangeArrives', onRangeArrives);
  if (onRangeLeaves !== undefined) checkFunction('onRangeLeaves', onRangeLeaves);
  const asked = machine ?? `${hostname().replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 60)}-${process.pid}-${party.id}`;
  return {
    name, onRangeArrives, onRangeLeaves,
    subject: checkSubject('subject', subject),
    ranges: checkRanges(ranges),
    machine: checkBrokerName('machine', asked),
    leaseMs: checkInteger('leaseMs', leaseMs ?? 10_000, 300, 2 ** 31 - 1),
    replicas: checkInteger('replicas', replicas ?? 1, 1, 5),
    consumer: checkConsumer({ mostInFlight: 64, ...rest, name }, party.turn.classes),
  };
}

export function rangeAt(range: number, epoch: number, ranges: number): NatsRange {
  const buckets = BUCKETS / ranges;
  return Object.freeze({ range, epoch, firstBucket: range * buckets, buckets });
}
