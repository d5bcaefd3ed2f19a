/** The options of steering.ts, and its figures. */
import type { ConnectionOptions, Io, ListenOptions } from '../io/index.js';

/** What steering needs of a reactor. Every `Reactor` has it, and `handle` and `call` besides. */
export interface SteeringReactor {
  /** Its number, from 0. */
  readonly id: number;
  /** How many there are. */
  readonly reactors: number;
  /** Where its connections are. */
  readonly io: Io;
}

export interface SteeringOptions extends ConnectionOptions {
  /** The same in every reactor that takes part; the name of a handler of the reactor. */
  name: string;
  /** Loads of all reactors, by `createLoads`: for `leastLoaded`. */
  loads?: SharedArrayBuffer;
  /** A reactor that has not answered after this time counts as unable: 1 to 2^31 - 1, default 5,000. */
  timeoutMs?: number;
}

export interface SteeredListenOptions extends ListenOptions {
  /**
   * Most bytes gathered before `choose` must have decided: 0 (decide at once) to 65,536, default 4,096. Beyond, it
   * stays here.
   */
  firstBytes?: number;
  /** A peer that has not sent enough by then is closed: 1 to 2^31 - 1, default 10,000. */
  firstBytesMs?: number;
}

/** The reactor that gets the connection. Undefined: more bytes are needed; if no more may come, it stays here. */
export type Choose = (firstBytes: Uint8Array) => number | undefined;
export type Steered = 'handed over' | 'stayed' | 'closed';

/** Figures of what was handed over. */
export interface SteeringStatus {
  /** Connections that went from here to another reactor. */
  readonly handedOver: number;
  /** Connections that came from another. */
  readonly taken: number;
  /** Kept here after all: the other refused it, or it could not be sent. */
  readonly stayed: number;
  /** Closed, by reason. */
  readonly closedByDeath: number;
  /** Closed, since nobody had decided in time. */
  readonly closedByTimeout: number;
  /** Closed, since what decides has thrown or refused. */
  readonly closedByHandler: number;
  /** They never said who they are: `firstBytesMs`. */
  readonly closedSilent: number;
}
