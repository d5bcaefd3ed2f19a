import type { Ready } from '../scheduling/internal.js';

/** What the parts of a party that work between turns, such as promises and callbacks, ask of its turn. */
export interface TurnRequests {
  /** Makes `ready` wait to be selected; a turn follows. */
  schedule(ready: Ready): void;
  /** A turn must follow, if this is not already one. */
  wantTurn(): void;
  /** Counts what a step, a handler or a callback threw, and tells the runtime. `where` says which one it was. */
  reportError(error: unknown, where: string): void;
}
