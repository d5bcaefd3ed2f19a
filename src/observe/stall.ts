/** A step, or a callback of Node between two turns, that held its thread for too long: told while it still does. */
export interface StallReport {
  /** The party whose thread it is; the main thread comes after the last reactor. */
  readonly reactorId: number;
  /** The task whose step it is; '' for callbacks between turns, and for handlers of timers and I/O. */
  readonly task: string;
  /** Nanoseconds for which it had held the thread when this was told. */
  readonly ns: number;
  /** When that was: nanoseconds since the runtime's start. */
  readonly atNs: number;
  /**
   * What was running, the innermost first, as the stack of an Error. '' where the thread could not tell: it is in a
   * system call, in native code, or in a collection; JSON.parse tells where Node's file has symbols.
   */
  readonly stack: string;
  /** False where there is no stack: then `task` may be '' though a step runs. */
  readonly hasAnswered: boolean;
  /** The stall that was told before without a stack: by now more is known. */
  readonly isContinued: boolean;
}
