/** What users see of a reactor that shares keyed work. */

/** What one of the owners has done and knows. */
export interface NatsOwnersStatus {
  readonly machine: string;
  /** Its lease holds, and its steps run. */
  readonly isAlive: boolean;
  /** The ranges that it owns, in order. */
  readonly ranges: readonly number[];
  /** Machines that are alive, this one among them. */
  readonly machines: number;
  /** Ranges that nobody owns, or whose owner gives no sign of life. */
  readonly free: number;
  /** How often it has taken a range, given one up, and lost one to another. */
  readonly taken: number;
  readonly given: number;
  readonly lost: number;
  /** Messages whose step is done, and messages that are under way. */
  readonly acknowledged: number;
  readonly inFlight: number;
}

/** One of the reactors that share keyed work, made by `joinOwners`. It belongs to the thread that made it. */
export interface NatsOwners {
  readonly machine: string;
  /** Whether the bucket of this key belongs to this reactor now, and its lease holds. */
  owns(key: string | Uint8Array): boolean;
  /** A fresh object. */
  status(): NatsOwnersStatus;
  /** Runs what it has been given, hands its ranges to the others, and ends. A second call does nothing. */
  leave(): Promise<void>;
}
