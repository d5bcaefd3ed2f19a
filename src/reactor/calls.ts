/** Calls that wait for their answer: number, promise, who was asked, when it gives up. One thread. */
import { PercoreError } from '../errors.js';

export interface CallOptions {
  /** The reactor to ask. Without it and without `key`, each living reactor in turn. */
  reactor?: number;
  /** Ask the owner of this key's bucket. */
  key?: string;
  /** Band in which the handler runs, 0 to 7. */
  priority?: number;
  /** Give up after so many milliseconds; work that has not begun by then is not begun. */
  timeoutMs?: number;
  /** Give up when it aborts, with its reason. */
  signal?: AbortSignal;
}

const SLOT_BITS = 16;
export const MAX_CALLS = 2 ** SLOT_BITS;

export class PendingCall {
  id = 0;
  /** Ends the timer and the listener of the signal. */
  cleanUp: (() => void) | undefined;

  constructor(readonly name: string, readonly to: number, readonly resolve: (value: unknown) => void, readonly reject: (error: unknown) => void) {}
}

export class Calls {
  count = 0;
  private readonly slots: (PendingCall | undefined)[] = [];
  private readonly free: number[] = [];
  private generation = 0;

  /** Gives the call a number; an answer to an older one of the same slot is not mistaken for it. */
  add(call: PendingCall): void {
    const slot = this.free.pop() ?? this.slots.length;
    this.generation = (this.generation + 1) & 0x7fff;
    call.id = (this.generation << SLOT_BITS) | slot;
    this.slots[slot] = call;
    this.count++;
  }

  /** False once it was answered or given up. */
  has(call: PendingCall): boolean {
    return this.slots[call.id & (MAX_CALLS - 1)] === call;
  }

  /** Takes the call with this number out; undefined when it has been given up. */
  take(id: number): PendingCall | undefined {
    const slot = id & (MAX_CALLS - 1);
    const call = this.slots[slot];
    if (call === undefined || call.id !== id) return undefined;
    this.slots[slot] = undefined;
    this.free.push(slot);
    this.count--;
    call.cleanUp?.();
    return call;
  }

  /** Rejects every call to `to`, or every call. */
  rejectAll(to: number | undefined, error: (call: PendingCall) => Error): void {
    for (const call of this.slots) {
      if (call !== undefined && (to === undefined || call.to === to)) this.take(call.id)!.reject(error(call));
    }
  }
}

/** What of an error crosses the thread border. */
interface Failure {
  name: string;
  message: string;
  code: string | undefined;
  frames: string;
}

/** Whatever was thrown, with whatever fields, in a form that crosses. Never throws. */
export function packError(error: unknown): Failure {
  const e: Error = error instanceof Error ? error : new Error(typeof error === 'string' ? error : 'a value was thrown that is not an Error');
  // A getter may throw: `stack` does when the name is a symbol.
  const text = (field: 'name' | 'message' | 'code' | 'stack'): string | undefined => {
    try {
      const value: unknown = (e as unknown as Record<string, unknown>)[field];
      return typeof value === 'string' ? value : undefined;
    } catch {
      return undefined;
    }
  };
  // The frames alone: name and message travel by themselves, and a message may have several lines.
  const frames = (text('stack') ?? '').split('\n').filter((line) => /^\s+at /.test(line)).join('\n');
  return { name: text('name') ?? 'Error', message: text('message') ?? '', code: text('code'), frames };
}

/** The error as the caller sees it: name, message and code kept, the remote frames below a line that says where. */
export function unpackError(failure: Failure, reactorId: number, name: string): Error {
  const error = failure.code?.startsWith('ERR_PERCORE_') === true
    ? new PercoreError(failure.code as PercoreError['code'], failure.message, { reactorId })
    : Object.assign(new Error(failure.message), { code: failure.code ?? 'ERR_PERCORE_REMOTE', reactorId });
  error.name = failure.name;
  error.stack = `${failure.name}: ${failure.message}\n    --- reactor ${reactorId}, "${name}" ---\n${failure.frames}`;
  return error;
}
