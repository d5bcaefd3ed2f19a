/** Waits that an AbortSignal ends: one check of what is a signal, and one listener a signal, however many wait by it. One thread. */
import { invalidArgument } from './errors.js';

/** Throws unless `signal` is undefined or an AbortSignal, of this realm, of another, or of a library that stands in for one. */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isSignal(signal)) throw invalidArgument('signal', signal, 'an AbortSignal');
}

function isSignal(value: unknown): boolean {
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal !== 'object' || signal === null) return false;
  try {
    return typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function' && typeof signal.removeEventListener === 'function';
  } catch {
    // A Proxy of one, or what has its prototype alone: every question to it throws.
    return false;
  }
}

interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `then` when the signal aborts; the function returned ends that. A program gives one signal, such as that of its own end, to thousands of
 * waits. With a listener for each, Node warns of a leak from the eleventh on, and taking one away means a search through all.
 */
export function whenAborted(signal: AbortSignal, then: () => void): () => void {
  let mine = waiting.get(signal);
  if (mine === undefined) {
    mine = listenTo(signal);
    waiting.set(signal, mine);
  }
  const { callbacks, listener } = mine;
  // Two waits may give the same function.
  const callback = (): void => then();
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0 || waiting.get(signal)?.callbacks !== callbacks) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    waiting.delete(signal);
    for (const callback of callbacks) {
      try {
        callback();
      } catch (error) {
        // As a listener of its own would: the others are called all the same.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  };
  signal.addEventListener('abort', listener, { once: true });
  return { callbacks, listener };
}
