/** What a runtime reports to its listeners, and what closing it resolves with. */
import { checkOneOf } from '../errors.js';
import type { FlightEvent, SloViolation, StallReport } from '../observe/index.js';
import type { Recovered } from '../queues/index.js';
import type { Loss } from './lane-repair.js';

export interface CloseOptions {
  /** Longest wait for all reactors to become quiet: 0 to 2^31 - 1 ms, default 5,000. */
  drainMs?: number;
}

export interface CloseResult {
  /**
   * True if every reactor has run everything that it was sent, none has died since the closing began, and no endpoint
   * has lost bytes that it had taken since then: by an error, such as a full disk or a peer's reset, or because the
   * reactor left. What an endpoint drops when you close it yourself does not count.
   */
  readonly drained: boolean;
  /**
   * Messages from one thread to another that were sent and not run: to a reactor that died, or cut off by `drainMs`.
   * What a reactor has sent to a task of its own is not among them; if that is cut off, `drained` is false.
   */
  readonly undelivered: number;
  /**
   * Reactors that did not leave within a second after they were told, and were terminated in the middle of their work.
   */
  readonly leftBehind: readonly number[];
  /**
   * Those of `leftBehind` whose thread had not ended a second later: it is in a blocking system call, such as reading
   * from a pipe that nobody writes to. It ends when the call returns. Until then this process cannot end by itself
   * either, since Node waits for its threads.
   */
  readonly stillRunning: readonly number[];
}

/**
 * Emitted as 'reactorDied' at once after the worker's exit event, for each thread that ends other than by `close()` or
 * `scale()`; so also for one that dies while the runtime closes, or while it is taken away. Without a listener it is a
 * warning.
 */
export interface ReactorDeath {
  /** The reactor that has died. */
  readonly reactorId: number;
  /** That of its worker. */
  readonly exitCode: number;
  /** Node's `threadId` of its worker, as `inspect(queue)` and `recover(queue, threadId)` of percore/queues know it. */
  readonly threadId: number;
  /**
   * The places in queues that it had and that are free again, and the records that one of its `drain` calls had begun.
   */
  readonly recovered: Recovered;
  /** What was thrown, if the worker ended by an error; what its entry threw, if it was being started again. */
  readonly error: Error | undefined;
  /** How many threads had died in this reactor's place before this one. */
  readonly generation: number;
  /** True: it is started again, and what is sent to it waits. False: it is dead for good. */
  readonly willRestart: boolean;
  /** What ended with it. */
  readonly lost: Loss;
  /** The last notable events of its thread, if an error ended it: see `flightEvents`. */
  readonly events: readonly FlightEvent[];
}

/** Emitted as 'reactorRestarted' when the entry has run again in the place of a reactor that had died. */
export interface ReactorRestart {
  /** The reactor that is there again. */
  readonly reactorId: number;
  /** How many threads have died in this reactor's place, 1 after the first death: what its entry is told. */
  readonly generation: number;
  /** Time since the exit event of the previous thread. */
  readonly ms: number;
  /** What ended with the previous thread, as its 'reactorDied' said. */
  readonly lost: Loss;
}

/**
 * Emitted as 'stepError' for what a task, timer or handler of a connection threw; its reactor goes on. Without a
 * listener it is a warning. A reactor reports 20 a second, and, once the second is over, how many more there were.
 */
export interface StepError {
  /** Where it was thrown; the main thread comes after the last reactor. */
  readonly reactorId: number;
  /** What was thrown, made an Error if it was none. */
  readonly error: Error;
  /** What threw it: 'task "orders"'. */
  readonly where: string;
}

/** Emitted as 'message' for what code in a reactor posts by `parentPort.postMessage`. `status()` counts them all. */
export interface ForeignMessage {
  /** The reactor in which it was posted. */
  readonly reactorId: number;
  /** What was posted. */
  readonly message: unknown;
}

/**
 * Emitted as 'messageDropped' once for each name that does not exist, or that takes bytes and was sent a value;
 * `status()` counts them all. Without a listener it is a warning. A reactor reports 20 a second, and how many more
 * there were.
 */
export interface MessageDrop {
  /** The party that it was sent to; the main thread comes after the last reactor. */
  readonly reactorId: number;
  /** Says who sent it, to which name, and which tasks there are. Its `value` is the name. */
  readonly error: Error;
}

export interface RuntimeEvents {
  reactorDied: [ReactorDeath];
  reactorRestarted: [ReactorRestart];
  stepError: [StepError];
  messageDropped: [MessageDrop];
  message: [ForeignMessage];
  /**
   * A figure was above its bound: see `setSlo`. At most 20 a second for each reactor, as many again that are a new
   * worst, and one at the end of a second that had more.
   */
  sloViolated: [SloViolation];
  /** A step holds its thread too long: see `stall` of the options, and `setStall`. At most five a minute. */
  stalled: [StallReport];
}

const NAMES: readonly string[] = Object.keys({
  reactorDied: 0, reactorRestarted: 0, stepError: 0, messageDropped: 0, message: 0, sloViolated: 0, stalled: 0,
} satisfies Record<keyof RuntimeEvents, 0>);
/** What Node itself emits and listens to, `once` of node:events for example. */
const OF_NODE: readonly unknown[] = ['error', 'newListener', 'removeListener'];

/** Throws ERR_PERCORE_INVALID_ARGUMENT for a name that a runtime emits nothing by. */
export function checkEventName(event: string | symbol): void {
  if (!OF_NODE.includes(event)) checkOneOf('event', event, NAMES);
}
