/** The options of a reactor's methods, and what `spawn` returns. */
import type { BandedSubOptions, SubOptions } from '../queues/index.js';

export interface SpawnOptions {
  /** Unique among the tasks and handlers of this reactor; others address the task by it. At most 256 letters. */
  name: string;
  /**
   * Band of messages that are sent on this thread, and of `address` and `send` unless they say otherwise: 0 low to 7
   * high. Default 3.
   */
  priority?: number;
  /** The name of a class of `createRuntime({ classes })`, instead of a priority. */
  class?: string;
  /**
   * How many messages of this thread may wait: 1 to 2^20, default 1,024. For messages from others, the lane is the
   * bound.
   */
  capacity?: number;
  /**
   * Most asynchronous steps of this task under way at once: 1 to 2^20. Without it there is no limit: the next step
   * begins while the promises of earlier ones are pending, and they run side by side. With 1, each begins when the
   * previous one has settled.
   */
  concurrency?: number;
}

/** Options of `Reactor.sub`, besides those of `sub` of percore/queues. `Names` are the queue's declared consumers. */
export interface ReadOptions<Names extends string = string> extends SubOptions<Names>, BandedSubOptions {
  /** Band in which the handler runs: 0 low to 7 high. Default 3. */
  priority?: number;
  /** The name of a class of `createRuntime({ classes })`, instead of a priority. */
  class?: string;
  /** Most asynchronous steps of the handler under way at once; see SpawnOptions. */
  concurrency?: number;
}

/** Where a message goes. */
export interface SendOptions {
  /**
   * A reactor's number, or 'main' for the main thread. Reactors may also name the main thread by the number of
   * reactors, which is the `from` of what it sends.
   */
  reactor: number | 'main';
  /** Band 0 low to 7 high. Default: that of this thread's own task of the same name, else 3. */
  priority?: number;
}

export interface AddressOptions extends SendOptions {
  /**
   * Send through the return lane, which is for answers to other messages. A task that is addressed in this way must
   * never answer BACK_PRESSURED; then a task that sends returns may, without a circle of reactors that wait for each
   * other.
   */
  isReturn?: boolean;
}

/** A task of this thread, as `spawn` and `spawnBytes` return it. */
export interface Task<M> {
  /** The name that others send to. */
  readonly name: string;
  /**
   * Sends it a message of this thread, which is not copied unless it is bytes for `spawnBytes`. Returns OK;
   * BACK_PRESSURED if `capacity` messages wait; CLOSED after the task was stopped; for bytes also TOO_LARGE. Does not
   * block.
   */
  send(message: M): number;
  /**
   * Ends the task: its name is free again, and whatever waits for it is dropped, counted and reported as
   * 'messageDropped'. A step may stop its own task; it has taken its message by then. Asynchronous steps under way go
   * on. A second call does nothing.
   */
  stop(): void;
  /** How many messages of this thread wait. Always 0 for a task of bytes, whose messages wait in lanes. */
  readonly depth: number;
}

/** What `Reactor.select` takes out of its band. */
export interface Selected {
  /** The band of what was selected. */
  readonly band: number;
  /** Runs one quantum. True: there is more, which is selected again with its next message. */
  run(): boolean;
}
