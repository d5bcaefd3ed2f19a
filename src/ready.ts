/**
 * What can wait in a band until it is selected: a task with messages, a lane with records, a timer that expired, a connection
 * with readiness. Timers and I/O make these and hand them to whoever schedules (a reactor, or themselves when used alone),
 * so they need not know the reactor.
 */
export interface Ready {
  /** 0 low to 7 high. */
  readonly band: number;
  /** What runs, in words, for the report of what it throws: "handler onData of a connection from 127.0.0.1:1234". Read only then. */
  readonly where?: string;
  /** True while it waits in a band; only the scheduler writes it. */
  isReady: boolean;
  /** Runs one step or a few. True: there is more, put me back. */
  run(): boolean;
}

/** Puts a Ready into its band unless it waits there already. */
export type Schedule = (ready: Ready) => void;

/** The band where nothing else is said. */
export const DEFAULT_BAND = 3;
