/** A step, or a callback of Node between two turns, that held its thread for too long, reported while it still does. */
export interface StallReport {
  /** The party whose thread it is; the main thread comes after the last reactor. */
  readonly reactorId: number;
  /** The task whose step it is; '' for callbacks between turns, and for handlers of timers and I/O. */
  readonly task: string;
  /**
   * For how many nanoseconds it had held the thread when this was reported. Time in which the thread could run and had
   * no CPU does not count: a machine that stands still is no stall of a step.
   */
  readonly ns: number;
  /** When it was reported: nanoseconds since the runtime's start. */
  readonly atNs: number;
  /** For how many of these nanoseconds V8 collected garbage. */
  readonly collectedNs: number;
  /**
   * What was running, the innermost first, as the stack of an Error. '' where the thread could not tell: it is in a
   * system call, in native code, or in a collection; JSON.parse tells where Node's file has symbols.
   */
  readonly stack: string;
  /** False if there is no stack: then `task` may be '' even though a step runs. */
  readonly hasAnswered: boolean;
  /** This stall was reported before without a stack; now more is known. */
  readonly isContinued: boolean;
}
