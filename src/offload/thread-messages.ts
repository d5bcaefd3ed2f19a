/** What the main thread and the threads of the pool say to each other besides tasks. */
import type { MessagePort } from 'node:worker_threads';

/** What a thread of the pool is started with. */
export interface ThreadStart {
  /** The CPUs where it shall run; undefined if no CPU is left for it alone. */
  readonly cpus: readonly number[] | undefined;
  /** The table of `offloadLayout`. */
  readonly words: Int32Array;
}

/** Where a thread of the pool was asked to run, and where it may run. */
export interface PlaceOfThread {
  /** Node's number of the thread. */
  readonly threadId: number;
  /** Undefined: anywhere, since reactors have all CPUs. */
  readonly cpusAsked: readonly number[] | undefined;
  /** Read back from the kernel. */
  readonly cpusGranted: readonly number[];
  /** What was asked of the system and not granted, and why. */
  readonly refusals: readonly string[];
}

/** The kinds of messages: parentPort is also the user's, so they are called what nobody else calls his. */
export const PLACE = 'percore:place';
export const PORT = 'percore:port';

/** What a thread of the pool tells the main thread. */
export type ThreadMessage =
  | { readonly kind: typeof PLACE; readonly place: PlaceOfThread }
  | { readonly kind: typeof PORT; readonly asker: number; readonly port: MessagePort };
