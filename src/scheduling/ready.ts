/**
 * What can be selected to run: a task with messages, a lane with records, a timer that has expired, a connection with
 * readiness. Timers and I/O make these and hand them to whoever schedules (a reactor, or a loop of their own when they
 * are used alone), so they need not know the reactor.
 */

/** What a discipline may know of something that is ready: enough to choose, not to run it. */
export interface ReadyView {
  /** 0 low to 7 high. */
  readonly band: number;
  /** What runs, in words, for the report of what it throws: "handler onData of a connection from 127.0.0.1:1234". */
  readonly where?: string;
  /** Nanoseconds after it became ready by which it should run: for `EarliestDeadline`. Without it, that of its band. */
  readonly deadlineNs?: number;
}

/** Something that runs one quantum at a time. Belongs to one thread. */
export interface Ready extends ReadyView {
  /** True from the moment it is scheduled until its quantum has ended. Only the scheduler writes it. */
  isReady: boolean;
  /**
   * What a selection by hand returns for it, where it keeps that, so that many selections leave nothing to the
   * collector: null before the first. Only for what never changes its band.
   */
  taken?: TakenReady | null;
  /** Runs one quantum: a step, or a few. Returns true when there is more, so that it is scheduled again. */
  run(): boolean;
}

/** What was taken out by hand, to be run. */
export interface TakenReady {
  readonly band: number;
  run(): boolean;
}

/** Makes a Ready wait to be selected, unless it does so already. */
export type Schedule = (ready: Ready) => void;

/** The band of anything that was given no priority. */
export const DEFAULT_BAND = 3;
