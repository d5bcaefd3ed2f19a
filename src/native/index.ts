/**
 * What a platform must give, by capability: the seam between TypeScript and whatever stands below it, today the C++
 * addon for Linux. Whoever writes another backend implements `Native`, one object a group; the head of each group
 * says what must be there and what may be missing, and what Percore does without it.
 *
 *     | group                          | needed by                          | may be missing                     |
 *     |--------------------------------|------------------------------------|------------------------------------|
 *     | clock, system, threads, wakers | everything                         | pinning, timer slack, thread names |
 *     | turns                          | reactors                           | no                                 |
 *     | wheels                         | timers outside of a reactor        | with the module `percore/timers`   |
 *     | alarms                         | rate timers                        | the io_uring one                   |
 *     | sources, drivers, descriptors  | all I/O                            | the io_uring source                |
 *     | sockets, tcp, unix, datagrams  | the endpoints of these names       | each with its kind of endpoint     |
 *     | files                          | files by io_uring                  | all: threads do the work           |
 *     | watches, pipes                 | watched paths; queues over a pipe  | each with its users                |
 *     | realtime                       | policies, locked memory            | yes, the whole group               |
 *     | stalls                         | the option `stall`                 | yes, the whole group               |
 *     | halts                          | `stopped`, a cause of lateness     | yes, the whole group               |
 *     | collections                    | causes: collections                | yes, the whole group               |
 *     | mappings                       | queues in files                    | yes, the whole group               |
 *     | traces                         | `percore trace`                    | yes, the whole group               |
 *
 * Rules for all groups:
 * - A group belongs to the thread that has loaded it. Handles and descriptors are that thread's alone, and end with
 *   it, also when the thread is terminated. Exceptions to this say so.
 * - A function whose comment says "or -errno" never throws; the numbers are those of errno.ts and of Linux, negative.
 *   The others throw Node's kind of system error (`code`, `errno`, `syscall`).
 * - What is missing answers -ENOSYS, or throws ENOSYS: that is reported to users as a refusal, with its reason.
 * - No argument is trusted: a wrong type, NaN or a handle of another kind is EINVAL or EBADF, or nothing is done.
 * - A descriptor is a number from 0 on that stands for something open; only the group that made it gives it a meaning.
 * - Yes and no are booleans, in both directions. Units stand in names; times are nanoseconds unless a name says other.
 * - No function blocks unless its comment says so, and none calls into JavaScript but `deliver` and `onExpire`.
 *
 * Source of the form: the module `sys` of mio, which lists the functions that each platform has to provide.
 *
 * @module
 */
import type { NativeCollections } from './collections.js';
import type { NativeDescriptors, NativePipes, NativeWatches } from './descriptors.js';
import type { NativeFiles } from './files.js';
import type { NativeHalts } from './halts.js';
import type { NativeMappings } from './mappings.js';
import type { NativeRealtime } from './realtime.js';
import type { NativeDatagrams, NativeSockets, NativeTcp, NativeUnix } from './sockets.js';
import type { NativeDrivers, NativeSources } from './sources.js';
import type { NativeSystem, NativeThreads, NativeWakers } from './threads.js';
import type { NativeAlarms, NativeClock, NativeWheels } from './time.js';
import type { NativeStalls } from './stalls.js';
import type { NativeTraces } from './traces.js';
import type { NativeTurns } from './turns.js';

export interface Native {
  /** The backend's layout of shared memory, which must be `layoutHash()`: see layout.ts. */
  readonly layoutHash: string;
  readonly clock: NativeClock;
  readonly system: NativeSystem;
  readonly threads: NativeThreads;
  readonly wakers: NativeWakers;
  readonly turns: NativeTurns;
  readonly wheels: NativeWheels;
  readonly alarms: NativeAlarms;
  readonly sources: NativeSources;
  readonly drivers: NativeDrivers;
  readonly descriptors: NativeDescriptors;
  readonly sockets: NativeSockets;
  readonly tcp: NativeTcp;
  readonly unix: NativeUnix;
  readonly datagrams: NativeDatagrams;
  readonly files: NativeFiles;
  readonly watches: NativeWatches;
  readonly pipes: NativePipes;
  readonly realtime?: NativeRealtime;
  readonly stalls?: NativeStalls;
  readonly halts?: NativeHalts;
  readonly collections?: NativeCollections;
  readonly mappings?: NativeMappings;
  readonly traces?: NativeTraces;
}

export type { CollectionLogHandle, NativeCollections } from './collections.js';
export type { NativeDescriptors, NativePipes, NativeWatches, PipeEndHandle } from './descriptors.js';
export type { NativeFiles } from './files.js';
export type { NativeHalts } from './halts.js';
export type { NativeMappings } from './mappings.js';
export type { NativeRealtime } from './realtime.js';
export type {
  DatagramReceiverHandle, DatagramSenderHandle, NativeDatagrams, NativeSockets, NativeTcp, NativeUnix,
} from './sockets.js';
export type { IoDriverHandle, IoHandle, NativeDrivers, NativeSources } from './sources.js';
export type { NativeSystem, NativeThreads, NativeWakers } from './threads.js';
export type {
  NativeAlarms, NativeClock, NativeTimersOptions, NativeWheels, RateTimerHandle, TimersHandle,
} from './time.js';
export type { NativeStalls } from './stalls.js';
export type {
  KernelTraceHandle, NativeFigure, NativeTraceEvent, NativeTraces, PageWatchHandle,
} from './traces.js';
export type { NativeTurns, TurnHandle, TurnOptions } from './turns.js';
