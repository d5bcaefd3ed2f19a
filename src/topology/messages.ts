/**
 * The InterCore protocol: what one party may ask of another's control, and the acknowledgements. Every message is plain
 * data, so it can stand in a file; every message is acknowledged once, or refused with an error.
 *
 * | verb       | asks the party to                                                                             |
 * |------------|-----------------------------------------------------------------------------------------------|
 * | `reactor`  | take a name, and say who it is                                                                |
 * | `ring`     | create a queue in shared memory, which others open by its name                                |
 * | `cursor`   | open an end of a ring: one to send into, or one that feeds a task                             |
 * | `split`    | read a ring and deal its records out: shares in percent, or a copy to each                    |
 * | `close`    | end a ring, a cursor, a split, a timer or a listener, and free its name                       |
 * | `register` | load a program from a module, under a name                                                    |
 * | `spawn`    | make a task that runs a program                                                               |
 * | `join`     | answer when that task has ended                                                               |
 * | `send`     | give a message to one of its tasks or cursors                                                 |
 * | `sync`     | answer when all that the asker had sent it before has been run                                |
 * | `seq`      | make 128-bit identifiers                                                                      |
 * | `timer`    | send a message to a task later, or again and again; or stop that                              |
 * | `io`       | listen on a socket and run a program for each connection; or stop that                        |
 * | `list`, `show`, `dump` | say what there is, in lines; one thing in full; everything in full                |
 *
 * Source of the idea: the InterCore protocol of the kernel o83/n2o (`etc/init.boot`), whose verbs these are.
 */
import type { SubscribeOptions, TopicOptions } from '../bus/index.js';
import type { ListenOptions } from '../io/index.js';
import type { FieldType, Kind, KindName, WhenSlow } from '../queues/index.js';
import type { Supervise } from '../tasks/index.js';

/** How a ring is made: as `create` of percore/queues takes it, in a form that can stand in a file. */
export interface RingSettings {
  /** Default 'spsc'. */
  readonly kind?: Exclude<Kind, 'banded'>;
  /** How many records it holds, with `recordBytes` or with a struct as codec. */
  readonly capacity?: number;
  /** Bytes of each record, with `capacity`. */
  readonly recordBytes?: number;
  /** How many bytes it holds, for records of any length. */
  readonly capacityBytes?: number;
  /** 'value' for values of any kind; the fields of a struct; left out for bytes. */
  readonly codec?: 'value' | { readonly struct: Readonly<Record<string, FieldType>> };
  /** As for `create` of percore/queues. */
  readonly maxProducers?: number;
  /** As for `create` of percore/queues. */
  readonly maxConsumers?: number;
}

/** Where a program is: the name under which it was registered, or a module and one of its exports. */
export interface ProgramSettings {
  /** The name of one that was registered; else `module` and `export`. */
  readonly program?: string;
  /** A file URL or an absolute path. */
  readonly module?: string;
  /** The name of the export. Default 'default'. */
  readonly export?: string;
}

/** A task that messages go to. */
export interface TaskTarget {
  /** The name of a task or process. */
  readonly task: string;
  /** Default: the party that is asked. */
  readonly reactor?: number | 'main';
  /** The band to send in; default 3. */
  readonly priority?: number;
}
/** A cursor of the party that is asked. */
export interface CursorTarget {
  /** The name of a cursor without a task. */
  readonly cursor: string;
}

/** What each verb carries. */
export interface ControlMessages {
  reactor: { readonly name?: string };
  ring: { readonly name: string } & RingSettings;
  cursor: {
    readonly name: string;
    readonly ring: string;
    /** The party that created the ring. Default: the one that is asked. */
    readonly of?: number | 'main';
    /** The task of the asked party that gets the records. Without it the cursor is for sending. */
    readonly task?: string;
    /** The band in which it is read. Default 3. */
    readonly priority?: number;
    readonly whenSlow?: WhenSlow;
  };
  split: {
    readonly name: string;
    readonly from: string;
    /** The party that created the ring `from`. Default: the one that is asked. */
    readonly of?: number | 'main';
    readonly to: readonly (TaskTarget | CursorTarget)[];
    /** The share of each target; together 100. */
    readonly percent?: readonly number[];
    /** Each target gets a copy of each record. */
    readonly overlapped?: true;
    readonly priority?: number;
  };
  close: { readonly name: string };
  register: { readonly name: string; readonly module: string; readonly export?: string };
  spawn: {
    readonly name: string;
    /** Its band, or instead of it the name of a class of `createRuntime({ classes })`. */
    readonly priority?: number;
    readonly class?: string;
    readonly capacity?: number;
    readonly concurrency?: number;
    /** The program returns the body of a process, as `createProcess` takes it, not a step. */
    readonly process?: boolean;
    /** For a process: what follows an error that it does not catch. */
    readonly supervise?: Supervise;
    /** The step gets bytes in place, as that of `spawnBytes` does. */
    readonly takesBytes?: boolean;
    /** Handed to the program. */
    readonly data?: unknown;
    /** The tasks that `context.send` of the program may send to, by name. Without it, none. */
    readonly sends?: Readonly<Record<string, Omit<TaskTarget, 'task'>>>;
    /** Topics that `context.publish` may publish to. Without it, none. */
    readonly publishes?: Readonly<Record<string, Pick<TopicOptions, 'priority' | 'retain'>>>;
    /** Topics whose messages the task gets, as any other message. */
    readonly subscribes?: Readonly<Record<string, Pick<SubscribeOptions, 'whenSlow' | 'evictAfterMs'>>>;
  } & ProgramSettings;
  join: { readonly name: string };
  send: { readonly message: unknown } & ({ readonly task: string } | { readonly cursor: string });
  sync: Record<never, never>;
  seq: { /** 1 to 1,024, default 1. */ readonly count?: number };
  timer:
    | {
      readonly name: string;
      /** Once, after this many nanoseconds; or each time so many have passed. */
      readonly afterNs?: number;
      readonly everyNs?: number;
      readonly task: string;
      /** What is sent. Default: `{ timer, tick }`, with a number that counts from 1. */
      readonly message?: unknown;
      readonly priority?: number;
    }
    | { readonly name: string; readonly cancel: true };
  io:
    | ({ readonly name: string; readonly listen: ListenOptions; readonly data?: unknown } & ProgramSettings)
    | { readonly name: string; readonly close: true };
  list: { readonly what?: ListedKind };
  show: { readonly name: string };
  dump: Record<never, never>;
}

/** The verbs of the protocol. */
export type ControlVerb = keyof ControlMessages;

/** What can be listed. */
export type ListedKind = 'reactor' | 'ring' | 'cursor' | 'split' | 'program' | 'task' | 'timer' | 'io' | 'topic'
  | 'subscription';

/** One thing of a party in one line, as `list` gives it. */
export interface Listed {
  /** What it is. */
  readonly kind: ListedKind;
  /** What it is called. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly about: string;
}
/** One thing in full, as `show` gives it: plain data, and its counters as they are now. */
export interface Shown extends Listed {
  /** Its figures and settings. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** What a party says about itself. */
export interface ReactorIdentity {
  /** Its number; the main thread's is `maxReactors`. */
  readonly id: number;
  /** 'main' for the main thread; else the name that it was given, or `reactor 1`. */
  readonly name: string;
  /** Node's number of the thread. */
  readonly threadId: number;
  /** How many reactors there are. */
  readonly reactors: number;
  /** By the clock of the runtime. */
  readonly nowNs: number;
}
/** Everything of one party. */
export interface PartyDump extends ReactorIdentity {
  /** All that lives there. */
  readonly things: readonly Shown[];
}

/** What each verb is acknowledged with. */
export interface ControlAnswers {
  reactor: ReactorIdentity;
  ring: { readonly name: string; readonly kind: KindName; readonly bytes: number };
  cursor: { readonly name: string };
  split: { readonly name: string };
  close: { readonly name: string };
  register: { readonly name: string };
  spawn: { readonly name: string };
  /** What the program has ended with. */
  join: { readonly value: unknown };
  /** OK, BACK_PRESSURED, TOO_LARGE or CLOSED. */
  send: { readonly code: number };
  sync: Record<never, never>;
  seq: { readonly ids: bigint[] };
  timer: { readonly name: string };
  io: { readonly name: string; readonly port?: number };
  list: Listed[];
  show: Shown;
  dump: PartyDump;
}

/** The fields that each verb knows; a test compares them with the types. */
export const FIELDS: { readonly [V in ControlVerb]: readonly string[] } = {
  reactor: ['name'],
  ring: ['name', 'kind', 'capacity', 'recordBytes', 'capacityBytes', 'codec', 'maxProducers', 'maxConsumers'],
  cursor: ['name', 'ring', 'of', 'task', 'priority', 'whenSlow'],
  split: ['name', 'from', 'of', 'to', 'percent', 'overlapped', 'priority'],
  close: ['name'],
  register: ['name', 'module', 'export'],
  spawn: [
    'name', 'program', 'module', 'export', 'priority', 'class', 'capacity', 'concurrency', 'takesBytes', 'process',
    'supervise', 'data', 'sends', 'publishes', 'subscribes',
  ],
  join: ['name'],
  send: ['task', 'cursor', 'message'],
  sync: [],
  seq: ['count'],
  timer: ['name', 'afterNs', 'everyNs', 'task', 'message', 'priority', 'cancel'],
  io: ['name', 'listen', 'program', 'module', 'export', 'data', 'close'],
  list: ['what'],
  show: ['name'],
  dump: [],
};
export const VERBS = Object.keys(FIELDS) as readonly ControlVerb[];
export const LISTED_KINDS: readonly ListedKind[] = [
  'reactor', 'ring', 'cursor', 'split', 'program', 'task', 'timer', 'io', 'topic', 'subscription',
];
