/** What one of those who share keyed work is for its user. */

/** What one of the owners has done and knows. */
export interface NatsOwnersStatus {
  readonly machine: string;
  /** Its lease holds, and its steps run. */
  readonly isAlive: boolean;
  /** The ranges that it owns, in order. */
  readonly ranges: readonly number[];
  /** Machines that live, this one among them. */
  readonly machines: number;
  /** Ranges that nobody owns, or somebody who gives no sign of life. */
  readonly free: number;
  /** How often it has taken a range, given one up, and lost one to another. */
  readonly taken: number;
  readonly given: number;
  readonly lost: number;
  /** Messages whose step is done, and that are under way. */
  readonly acknowledged: number;
  readonly inFlight: number;
}

/** One of those who share keyed work, made by `joinOwners`. It belongs to the thread that made it. */
export interface NatsOwners {
  readonly machine: string;
  /** Whether the bucket of this key is this reactor's now, and its lease holds. */
  owns(key: string | Uint8Array): boolean;
  /** A fresh object. */
  status(): NatsOwnersStatus;
  /** Runs what it has been given, gives its ranges to the others, and ends. Twice is once. */
  leave(): Promise<void>;
}
