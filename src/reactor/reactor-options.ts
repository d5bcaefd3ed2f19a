/** The options of a reactor's methods, and what `spawn` returns. */
import type { BandedSubOptions, SubOptions } from '../queues/index.js';

export interface SpawnOptions {
  /** Unique among the tasks and handlers of this reactor; others address the task by it. At most 256 letters. */
  name: string;
  /**
   * Band of messages that are sent on this thread, and of `address` and `send` where nothing else is said: 0 low to
   * 7 high. Default 3.
   */
  priority?: number;
  /** In place of a priority: the name of a class of `createRuntime({ classes })`. */
  class?: string;
  /**
   * Messages of this thread that may wait: 1 to 2^20, default 1,024. Of messages from others, the lane is the bound.
   */
  capacity?: number;
  /**
   * Asynchronous steps of this task that may be under way at once: 1 to 2^20. Without it there is no limit: the next
   * step begins while the promises of those before it are pending, and they run side by side. With 1, each begins when
   * the one before has settled.
   */
  concurrency?: number;
}

/** Options of `Reactor.sub`, besides those of `sub` of percore/queues. `Names` are the queue's declared consumers. */
export interface ReadOptions<Names extends string = string> extends SubOptions<Names>, BandedSubOptions {
  /** Band in which the handler runs: 0 low to 7 high. Default 3. */
  priority?: number;
  /** In place of a priority: the name of a class of `createRuntime({ classes })`. */
  class?: string;
  /** Asynchronous steps of the handler that may be under way at once; see SpawnOptions. */
  concurrency?: number;
}

/** Where a message goes. */
export interface SendOptions {
  /**
   * A reactor's number, or 'main' for the main thread. Reactors may also give the number of reactors for the main
   * thread, which is the `from` of what it sends.
   */
  reactor: number | 'main';
  /** Band 0 low to 7 high. Default: that of this thread's own task of the name, else 3. */
  priority?: number;
}

export interface AddressOptions extends SendOptions {
  /**
   * Send through the return lane, which is for what answers other messages. A task that is addressed so must never
   * answer BACK_PRESSURED; then a task that sends returns may, without a circle of reactors that wait for each other.
   */
  isReturn?: boolean;
}

/** A task of this thread, as `spawn` and `spawnBytes` return it. */
export interface Task<M> {
  /** The name that others send to. */
  readonly name: string;
  /**
   * Sends it a message of this thread, which is not copied unless it is bytes for `spawnBytes`. OK; BACK_PRESSURED when
   * `capacity` messages wait; CLOSED after it was stopped; of bytes also TOO_LARGE. Does not block.
   */
  send(message: M): number;
  /**
   * Ends the task: its name is free again, and what waits for it is dropped, counted and reported as 'messageDropped'.
   * A step may stop its own task; it has taken its message then. Asynchronous steps under way go on. Twice is once.
   */
  stop(): void;
  /** Messages of this thread that wait. Always 0 for a task of bytes, whose messages wait in lanes. */
  readonly depth: number;
}

/** What `Reactor.select` takes out of its band. */
export interface Selected {
  /** The band of what was selected. */
  readonly band: number;
  /** Runs one quantum. True: there is more, which is selected again with its next message. */
  run(): boolean;
}
